// Knows a room in miniature, where everybody is honest unless a test says otherwise: a server that orders and keeps
// messages, and tabs that write, come, go and check each other with a Ledger. Nothing is encrypted.

import { createHash } from "node:crypto";

import { Ledger } from "../../static/js/ledger.js";

/**
 * @import { Payloads } from "../../static/js/payload.js"
 * @import { Since } from "../../static/js/envelope.js"
 */

/**
 * @typedef {{seq: number, prev: string}} Head
 * @typedef {{payload: Payloads["message"], digest: string, payloadDigest: string}} Sealed
 * @typedef {Sealed & {id: number, member: string}} Posted
 * @typedef {(to: Tab, posted: Posted) => boolean} Passes whether the server passes a message on to a tab
 */

export class Server {
  epochs = 0;
  last = 0;
  now = 1_790_000_000_000;
  /** @type {Posted[]} */
  log = [];
  /** @type {Map<Tab, Payloads["user"]>} */
  inside = new Map();
  /** @type {Map<string, number>} ids by the digest of what has been posted */
  known = new Map();
  /** @type {Passes} */
  passes = () => true;

  /** @param {number} logSize */
  constructor(logSize) {
    this.logSize = logSize;
    this.restart();
  }

  get epoch() {
    return `epoch ${this.epochs}`;
  }

  /** Everything is gone, and everybody's line is broken. */
  restart() {
    for (const tab of this.inside.keys()) tab.online = false;
    this.inside.clear();
    this.known.clear();
    this.epochs++;
    this.last = 0;
    this.log = [];
  }

  /**
   * @param {Tab} tab
   * @param {Since} since
   */
  join(tab, since) {
    const returned = this.inside.has(tab);
    const blob = { name: tab.member, at: this.now, ...tab.head };
    this.inside.set(tab, blob);
    if (!returned) this.tell(tab, (other) => other.user(tab.member, blob, true));
    const after = since?.epoch === this.epoch ? since.id : 0;
    const log = this.log.filter(({ id }) => id > after);
    const first = log[0]?.id ?? this.last + 1;
    tab.enter({ epoch: this.epoch, first, last: this.last, since }, this.inside, log);
  }

  /** @param {Tab} tab */
  leave(tab) {
    this.inside.delete(tab);
    this.tell(tab, (other) => other.ledger.left(tab.member));
  }

  /**
   * @param {Tab} tab
   * @param {Sealed} sealed
   * @returns {number} its id
   */
  post(tab, sealed) {
    const known = this.known.get(sealed.digest);
    if (known !== undefined) return known;
    const posted = { ...sealed, id: ++this.last, member: tab.member };
    this.known.set(sealed.digest, posted.id);
    this.log = [...this.log, posted].slice(-this.logSize || Infinity);
    this.tell(null, (other) => this.passes(other, posted) && other.hear(posted, true));
    return posted.id;
  }

  /**
   * @param {Tab} tab
   * @param {Payloads["typing"]} payload
   */
  type(tab, payload) {
    this.tell(tab, (other) => other.note(other.ledger.typing({ member: tab.member, payload, now: this.now })));
  }

  /**
   * @param {Tab | null} but
   * @param {(tab: Tab) => void} say
   */
  tell(but, say) {
    for (const tab of [...this.inside.keys()]) if (tab !== but && tab.online) say(tab);
  }
}

export class Tab {
  ledger = new Ledger();
  /** @type {Since} */
  position = null;
  /** @type {Head} what is known to be in the feed */
  head = { seq: 0, prev: "" };
  /** @type {Sealed | null} */
  pending = null;
  online = false;
  /** @type {string[]} what was not as it must be among honest people */
  complaints = [];
  /** @type {number[]} ids of what is shown */
  shown = [];
  missed = 0;
  losses = 0;

  /**
   * @param {Server} server
   * @param {string} member
   */
  constructor(server, member) {
    this.server = server;
    this.member = member;
  }

  connect() {
    if (this.online) return;
    this.online = true;
    this.server.join(this, this.position);
    if (this.pending) this.send();
  }

  disconnect() {
    this.online = false;
  }

  leave() {
    this.online = false;
    this.server.leave(this);
  }

  /** @param {string} text */
  say(text) {
    if (this.pending) return;
    const { server, head, member } = this;
    const payload = { name: member, text, at: server.now, seq: head.seq + 1, prev: head.prev, seen: this.ledger.seen };
    this.pending = seal(member, payload);
    this.send();
  }

  send() {
    if (!this.online || !this.pending) return;
    const { pending } = this;
    const id = this.server.post(this, pending);
    if (this.pending === pending && this.position && id <= this.position.id) this.sent(pending);
  }

  type() {
    if (this.online) this.server.type(this, { on: true, at: this.server.now, ...this.head });
  }

  rename() {
    if (!this.online) return;
    const blob = { name: this.member, at: this.server.now, ...this.head };
    this.server.inside.set(this, blob);
    this.server.tell(this, (other) => other.user(this.member, blob, true));
  }

  /** @param {Sealed} sealed */
  sent({ payload, payloadDigest }) {
    this.head = { seq: payload.seq, prev: payloadDigest };
    this.pending = null;
  }

  /**
   * @param {Parameters<Ledger["begin"]>[0]} snapshot
   * @param {Map<Tab, Payloads["user"]>} users
   * @param {Posted[]} log
   */
  enter(snapshot, users, log) {
    const { missed, historyLost } = this.ledger.begin(snapshot);
    this.missed += missed;
    if (historyLost) this.losses++;
    this.position = { epoch: snapshot.epoch, id: snapshot.first - 1 };
    for (const [tab, blob] of users) this.user(tab.member, blob, false);
    for (const posted of log) if (this.server.passes(this, posted)) this.hear(posted, false);
    this.position = { epoch: snapshot.epoch, id: snapshot.last };
  }

  /**
   * @param {string} member
   * @param {Payloads["user"]} payload
   * @param {boolean} live
   */
  user(member, payload, live) {
    this.note(this.ledger.user({ member, payload, live, now: this.server.now }));
    this.noteMissing(member);
  }

  /**
   * @param {Posted} posted
   * @param {boolean} live
   */
  hear({ id, member, payload, digest, payloadDigest }, live) {
    const { server, position } = this;
    if (position && id > position.id) this.position = { epoch: position.epoch, id };
    const heard = this.ledger.message({ id, member, payload, digest, payloadDigest, live, now: server.now });
    if (heard.verdict === "show") this.shown.push(id);
    // A message that was resent into a new epoch may have come before.
    else if (heard.verdict !== "duplicate") this.complaints.push(heard.verdict);
    if (heard.fork) this.complaints.push("fork");
    if (heard.late) this.complaints.push("late");
    this.noteMissing(member);
    if (this.pending?.digest === digest) this.sent(this.pending);
  }

  /** @param {string} verdict */
  note(verdict) {
    if (verdict !== "ok") this.complaints.push(verdict);
  }

  /** @param {string} member */
  noteMissing(member) {
    const missing = this.ledger.missing(member);
    if (missing) this.complaints.push(`${missing} missing of ${member}`);
  }
}

/**
 * @param {string} member
 * @param {Payloads["message"]} payload
 * @returns {Sealed}
 */
export function seal(member, payload) {
  const words = JSON.stringify(payload);
  return { payload, digest: hash(`ciphertext of ${member}: ${words}`), payloadDigest: hash(words) };
}

/** @param {string} words */
function hash(words) {
  return createHash("sha256").update(words).digest("base64url");
}
