// Knows what happens in the room: opens and verifies everything the server passes on, keeps who is here and what was
// said, and tells the screen; knows neither sockets nor elements. The server is not trusted with anything here.

import { breathe } from "./breathe.js";
import { openContent } from "./crypto.js";
import { Ledger } from "./ledger.js";
import { Presence } from "./presence.js";
import * as say from "./sentences.js";
import { t } from "./words.js";

/**
 * @import { Opened, Room, Signer } from "./crypto.js"
 * @import { Since } from "./envelope.js"
 * @import { Connected, Left, Message, Typing, User } from "./events.js"
 * @import { Edit, Erase, Place, React, Ref } from "./payload.js"
 * @import { Person } from "./people.js"
 * @import { Words } from "./sentences.js"
 * @import { Line } from "./showing.js"
 */
/**
 * @typedef {{
 *   line: (id: string, line: Line) => void,
 *   change: (id: string, change: Partial<Line>) => void,
 *   retag: (member: string, tag: string) => void,
 *   notice: (id: string | null, words: Words, kind: "quiet" | "told" | "warn" | "alarm") => void,
 *   unnotice: (id: string) => void, people: (people: Person[]) => void, typing: (member: string, on: boolean) => void,
 *   edit: (ref: Ref, text: string) => void, erase: (ref: Ref) => void,
 *   react: (ref: Ref, who: {member: string, name: string}, sign: string, on: boolean) => void,
 *   ciphertext: (text: string) => void, ttl: (seconds: number) => void, timer: (seconds: number) => void,
 * }} Screen
 */

// A server that lets a line miss something does so once each time that it breaks.
const MAX_GAPS = 64;

export class Conversation {
  #room;
  #signer;
  #screen;
  #ledger = new Ledger();
  #present;
  /** Seconds after which the server lets messages vanish, 0 for never. */
  #ttl = 0;
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
    this.#present = new Presence(signer.member, (member, tag) => screen.retag(member, tag));
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

  /** @param {string} member somebody */
  isHere(member) {
    return this.#present.has(member);
  }

  /** This tab's own tag, which grows when somebody's begins like it. */
  get tag() {
    return this.#present.tag(this.#signer.member);
  }

  /** @returns {Promise<{tag: string, hue: number}>} how this tab looks to everybody */
  async self() {
    const { hue } = await this.#present.look(this.#signer.member);
    return { tag: this.tag, hue };
  }

  /** @param {Connected} snapshot */
  connected(snapshot) {
    this.#then(() => this.#begin(snapshot));
  }

  /** @param {User} user somebody new, or what somebody says of themselves now: the server does not decide which */
  user({ member, user }) {
    this.#then(async () => {
      const [known, name, before] = [this.#present.has(member), this.#present.name(member), this.#present.called(member)];
      await this.#admit(member, user, true);
      if (!this.#present.has(member)) return;
      const after = this.#present.called(member);
      if (!known) this.#screen.notice(null, say.joined(after), "quiet");
      else if (name !== this.#present.name(member)) this.#screen.notice(null, say.renamed(before, after), "quiet");
    });
  }

  /** @param {Left} left */
  userLeft({ member }) {
    this.#then(() => {
      // Who reads this is here, whatever the server says.
      if (member === this.#signer.member || !this.#present.has(member)) return;
      this.#screen.notice(null, say.left(this.#present.called(member)), "quiet");
      this.#screen.typing(member, false);
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

  /** @param {Typing} typing what a server invents of it is worth no alarm: nothing is shown */
  typing({ member, typing }) {
    this.#then(async () => {
      if (member === this.#signer.member || !this.#present.has(member)) return;
      const opened = await openContent(this.#room, "typing", typing).catch(() => null);
      if (opened?.member !== member) return;
      const { payload } = opened;
      const verdict = this.#ledger.typing({ member, payload, now: Date.now() });
      if (verdict === "conflict") this.#conflict(member, "conflict");
      this.#gap(member, this.#ledger.missing(member), null);
      if (verdict === "ok") this.#screen.typing(member, payload.on);
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
  async #begin({ epoch, first, last, ttl, timer, users, log }) {
    const { missed, historyLost } = this.#ledger.begin({ epoch, first, last, since: this.#position });
    if (historyLost) {
      this.#gaps = [];
      this.#screen.notice(null, say.historyLost(), "warn");
    }
    this.#missed(first - missed, first - 1);
    this.#ttl = ttl ?? 0;
    this.#vanish(timer);
    if (ttl) this.#screen.notice("ttl", say.vanishing(ttl), "quiet");
    this.#position = { epoch, id: first - 1 };
    const before = this.#present.members;
    this.#present.clear();
    // Users before log: what somebody signed on coming in says where their messages stood.
    for (const { member, user } of users) await this.#admit(member, user, false);
    for (const member of before) {
      this.#screen.typing(member, false);
      if (!this.#present.has(member)) this.#ledger.left(member);
    }
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
    const known = this.#present.has(member);
    if (!known && this.#present.full) return;
    await this.#present.look(member);
    const opened = await openContent(this.#room, "user", ciphertext).catch(() => null);
    if (opened?.member !== member) {
      // Nothing that is not theirs takes a name from somebody, or gives one.
      if (!known) this.#present.set(member, null);
      return;
    }
    const { payload } = opened;
    const verdict = this.#ledger.user({ member, payload, live, now: Date.now() });
    // An older word of theirs is theirs all the same, but takes back nothing that they have said since.
    if (verdict !== "stale" || !known) this.#present.set(member, payload.name);
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
    const { hue } = await this.#present.look(member);
    if (heard.fork) this.#screen.notice("fork", say.forked(), "alarm");
    this.#gap(member, heard.missing, "name" in payload ? payload.name : null);
    if (heard.verdict === "conflict" || heard.verdict === "stale") this.#conflict(member, heard.verdict);
    const own = member === this.#signer.member;
    // Whatever the ledger said: what came back in the feed need not be sent again.
    const shown = heard.verdict === "show" || heard.verdict === "duplicate";
    const stands = own && this.#returned(opened, shown);
    if (heard.verdict !== "show" || "void" in payload) return;
    if ("fade" in payload) {
      if (live) this.#screen.notice(null, say.fading(this.#present.called(member), payload.fade), "told");
      return live && this.#vanish(payload.fade);
    }
    if (!("name" in payload)) return this.#change(member, payload);
    this.#screen.typing(member, false);
    const { name, text, at, seq, me = false, re, file } = payload;
    if (stands) return;
    const marks = [...(heard.clock ? [t("clock differs")] : []), ...(heard.late ? [t("arrived late")] : [])];
    const more = { status: /** @type {const} */ ("sent"), marks, past: !live, me, seq, re, file };
    this.#screen.line(digest, { member, name, text, tag: this.#present.tag(member), hue, at, own, ...more });
  }

  /**
   * Somebody changes what has been said. Nobody can change what is another's: an edit has no place for a name.
   * @param {string} member
   * @param {Place & (Edit | Erase | React)} payload
   */
  #change(member, payload) {
    const name = this.#present.name(member) ?? String(this.#present.called(member));
    if ("edit" in payload) this.#screen.edit([member, payload.edit], payload.text);
    else if ("erase" in payload) this.#screen.erase([member, payload.erase]);
    else this.#screen.react(payload.react, { member, name }, payload.sign, payload.on);
  }

  /** @param {number} timer what people want, in seconds, 0 for never */
  #vanish(timer) {
    const limits = [this.#ttl, timer].filter((seconds) => seconds > 0);
    this.#screen.ttl(limits.length ? Math.min(...limits) : 0);
    this.#screen.timer(timer);
  }

  /**
   * @param {string} member
   * @param {number} missing
   * @param {string | null} name
   */
  #gap(member, missing, name) {
    const id = `gap:${member}`;
    if (!missing) return this.#screen.unnotice(id);
    const who = this.#present.called(member, name);
    this.#screen.notice(id, say.missing(missing, who), "warn");
  }

  /**
   * @param {string} member
   * @param {"conflict" | "stale"} what
   */
  #conflict(member, what) {
    this.#screen.notice(`${what}:${member}`, say.contradiction(what, this.#present.called(member)), "alarm");
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

  #showPeople() {
    this.#screen.people(this.#present.list((member) => this.#ledger.confirmed(member)));
  }
}
