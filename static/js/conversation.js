// Knows what happens in the room: opens and verifies everything the server passes on, keeps who is here and what was
// said, and tells the screen; knows neither sockets nor elements. The server is not trusted with anything here.

import { breathe } from "./breathe.js";
import { describeSigner, openContent } from "./crypto.js";
import { Ledger } from "./ledger.js";
import * as say from "./sentences.js";
import { Tags } from "./tags.js";

/**
 * @import { Opened, Room, Signer } from "./crypto.js"
 * @import { Since } from "./envelope.js"
 * @import { Connected, Left, Message, User } from "./events.js"
 * @import { Person } from "./people.js"
 * @import { Words } from "./sentences.js"
 */
/**
 * @typedef {{member: string, name: string, text: string, tag: string, hue: number, at: number, own: boolean,
 *   status: "pending" | "sent" | "failed", marks: string[], past?: boolean}} Line `past`: said before this tab came (back)
 * @typedef {{
 *   line: (id: string, line: Line) => void,
 *   change: (id: string, change: Partial<Line>) => void,
 *   retag: (member: string, tag: string) => void,
 *   notice: (id: string | null, words: Words, kind: "quiet" | "warn" | "alarm") => void,
 *   unnotice: (id: string) => void,
 *   people: (people: Person[]) => void,
 *   ciphertext: (text: string) => void,
 *   ttl: (seconds: number) => void,
 * }} Screen
 * @typedef {{name: string | null}} Presence without a name where what the server lists cannot be opened
 * @typedef {{letters: string, hue: number}} Look
 */

// Signers of whom the looks are remembered, and people that are listed; a room is far smaller.
const MAX_LOOKS = 4096;
// A server that lets a line miss something does so once each time that it breaks.
const MAX_GAPS = 64;

export class Conversation {
  #room;
  #signer;
  #screen;
  #ledger = new Ledger();
  #tags = new Tags();
  /** @type {Map<string, Look>} */
  #looks = new Map();
  /** @type {Map<string, Presence>} */
  #present = new Map();
  /** @type {Since} the last of the feed that was seen here */
  #position = null;
  /** @type {[first: number, last: number][]} what the server says that we missed of this epoch, and we said so */
  #gaps = [];
  #refused = 0;
  /** @type {Promise<void>} one event after the other, since opening one takes several turns */
  #queue = Promise.resolve();
  #steps = 0;
  #returned;

  /**
   * @param {Room} room
   * @param {Signer} signer this tab's
   * @param {Screen} screen
   * @param {(message: Opened<"message">, shown: boolean) => boolean} returned a message of this tab came by in the feed,
   *   and readers show it or not; true: its line stands
   */
  constructor(room, signer, screen, returned) {
    this.#room = room;
    this.#signer = signer;
    this.#screen = screen;
    this.#returned = returned;
  }

  get position() {
    return this.#position;
  }

  /** What a message of this tab says of the feed. */
  get seen() {
    return this.#ledger.seen;
  }

  /**
   * Whether a message with this id may have been in the feed and not have come here.
   * @param {number} id
   */
  missed(id) {
    return this.#gaps.some(([first, last]) => first <= id && id <= last);
  }

  /** When everything that has come so far has been dealt with. */
  get settled() {
    return this.#queue;
  }

  /** This tab's own tag, which grows when somebody's begins like it. */
  get tag() {
    return this.#tags.of(this.#signer.member).tag;
  }

  /** @returns {Promise<{tag: string, hue: number}>} how this tab looks to everybody */
  async self() {
    const { hue } = await this.#look(this.#signer.member);
    return { tag: this.tag, hue };
  }

  /** @param {Connected} snapshot */
  connected(snapshot) {
    this.#then(() => this.#begin(snapshot));
  }

  /** @param {User} user somebody new, or what somebody says of themselves now: the server does not decide which */
  user({ member, user }) {
    this.#then(async () => {
      const known = this.#present.get(member);
      const before = this.#called(member);
      await this.#admit(member, user, true);
      const now = this.#present.get(member);
      if (!now) return;
      const after = this.#called(member);
      if (!known) this.#screen.notice(null, [...after, " joined"], "quiet");
      else if (known.name !== now.name) this.#screen.notice(null, [...before, " is ", ...after, " now"], "quiet");
    });
  }

  /** @param {Left} left */
  userLeft({ member }) {
    this.#then(() => {
      // Who reads this is here, whatever the server says.
      if (member === this.#signer.member || !this.#present.has(member)) return;
      this.#screen.notice(null, [...this.#called(member), " left"], "quiet");
      this.#present.delete(member);
      this.#ledger.left(member);
    });
  }

  /** @param {Message} message */
  message(message) {
    this.#then(async () => {
      const last = this.#position?.id ?? 0;
      if (message.id <= last) return this.#refuse();
      this.#missed(last + 1, message.id - 1);
      await this.#hear(message, true);
    });
  }

  /** @param {() => void | Promise<void>} step */
  #then(step) {
    this.#steps++;
    this.#queue = this.#queue
      .then(breathe)
      .then(step)
      .finally(() => {
        // Once for whatever has come in one go: to draw a long list takes longer than to verify an event.
        if (--this.#steps === 0) this.#showPeople();
      })
      .catch((error) => {
        // A mistake of ours in one event is reported as uncaught, but must not silence all that follow.
        queueMicrotask(() => {
          throw error;
        });
      });
  }

  /** @param {Connected} snapshot */
  async #begin({ epoch, first, last, ttl, users, log }) {
    const { missed, historyLost } = this.#ledger.begin({ epoch, first, last, since: this.#position });
    if (historyLost) {
      this.#gaps = [];
      this.#screen.notice(null, say.HISTORY_LOST, "warn");
    }
    this.#missed(first - missed, first - 1);
    this.#screen.ttl(ttl ?? 0);
    if (ttl) this.#screen.notice("ttl", say.vanishing(ttl), "quiet");
    this.#position = { epoch, id: first - 1 };
    const before = [...this.#present.keys()];
    this.#present.clear();
    // Users before log: what somebody signed on coming in says where their messages stood.
    for (const { member, user } of users) await this.#admit(member, user, false);
    for (const member of before) if (!this.#present.has(member)) this.#ledger.left(member);
    for (const message of log) {
      await breathe();
      await this.#hear(message, false);
    }
  }

  /**
   * Somebody is here, the server says; who, their signature says.
   * @param {string} member
   * @param {string} ciphertext
   * @param {boolean} live
   */
  async #admit(member, ciphertext, live) {
    const known = this.#present.get(member);
    if (!known && this.#present.size >= MAX_LOOKS) return;
    await this.#look(member);
    const opened = await openContent(this.#room, "user", ciphertext).catch(() => null);
    if (opened?.member !== member) {
      // Nothing that is not theirs takes a name from somebody, or gives one.
      if (!known) this.#present.set(member, { name: null });
      return;
    }
    const { payload } = opened;
    const verdict = this.#ledger.user({ member, payload, live, now: Date.now() });
    // An older word of theirs is theirs all the same, but takes back nothing that they have said since.
    if (verdict !== "stale" || !known) this.#present.set(member, { name: payload.name });
    if (verdict === "conflict") this.#conflict(member, "conflict");
    this.#gap(member, this.#ledger.missing(member), payload.name);
  }

  /**
   * @param {Message} message
   * @param {boolean} live
   */
  async #hear({ id, member, message }, live) {
    const opened = await openContent(this.#room, "message", message).catch(() => null);
    if (this.#position) this.#position = { epoch: this.#position.epoch, id };
    if (opened?.member !== member) return this.#refuse();
    this.#screen.ciphertext(message);
    const { payload, digest, payloadDigest } = opened;
    const heard = this.#ledger.message({ id, member, payload, digest, payloadDigest, live, now: Date.now() });
    const { hue } = await this.#look(member);
    if (heard.fork) this.#screen.notice("fork", say.FORK, "alarm");
    this.#gap(member, heard.missing, "name" in payload ? payload.name : null);
    if (heard.verdict === "conflict" || heard.verdict === "stale") this.#conflict(member, heard.verdict);
    const own = member === this.#signer.member;
    // Whatever the ledger said: what came back in the feed need not be sent again.
    if (own && this.#returned(opened, heard.verdict === "show" || heard.verdict === "duplicate")) return;
    if (heard.verdict !== "show" || !("text" in payload)) return;
    const marks = [...(heard.clock ? ["clock differs"] : []), ...(heard.late ? ["arrived late"] : [])];
    const { name, text, at } = payload;
    const { tag } = this.#tags.of(member);
    this.#screen.line(digest, { member, name, text, tag, hue, at, own, status: "sent", marks, past: !live });
  }

  /**
   * @param {string} member
   * @param {number} missing
   * @param {string | null} name
   */
  #gap(member, missing, name) {
    const id = `gap:${member}`;
    if (!missing) return this.#screen.unnotice(id);
    const who = this.#called(member, name);
    this.#screen.notice(id, say.missing(missing, who), "warn");
  }

  /**
   * @param {string} member
   * @param {"conflict" | "stale"} what
   */
  #conflict(member, what) {
    this.#screen.notice(`${what}:${member}`, say.contradiction(what, this.#called(member)), "alarm");
  }

  #refuse() {
    this.#refused++;
    this.#screen.notice("refused", say.refused(this.#refused), "alarm");
  }

  /**
   * @param {number} first
   * @param {number} last before the first if nothing was missed
   */
  #missed(first, last) {
    const n = last - first + 1;
    if (n <= 0) return;
    this.#gaps = [...this.#gaps, /** @type {[number, number]} */ ([first, last])].slice(-MAX_GAPS);
    this.#screen.notice(null, say.missed(n), "warn");
  }

  /**
   * @param {string} member
   * @param {string | null} [named] the name to use instead of what the list of people has
   * @returns {Words}
   */
  #called(member, named) {
    const name = named ?? this.#present.get(member)?.name;
    const tag = ` (${this.#tags.of(member).tag})`;
    return name ? [{ name }, tag] : [`somebody${tag}`];
  }

  /**
   * @param {string} member
   * @returns {Promise<Look>}
   */
  async #look(member) {
    let look = this.#looks.get(member);
    if (look === undefined) {
      look = await describeSigner(member);
      if (this.#looks.size >= MAX_LOOKS) this.#looks.delete(String(this.#looks.keys().next().value));
      this.#looks.set(member, look);
    }
    for (const other of this.#tags.add(member, look.letters)) this.#screen.retag(other, this.#tags.of(other).tag);
    return look;
  }

  #showPeople() {
    const people = [...this.#present].map(([member, { name }]) => {
      const { letters, hue } = this.#looks.get(member) ?? { letters: "", hue: 0 };
      const me = member === this.#signer.member;
      const confirmed = me || this.#ledger.confirmed(member);
      return { member, name, ...this.#tags.of(member), card: letters, hue, me, confirmed };
    });
    this.#screen.people(people);
  }
}
