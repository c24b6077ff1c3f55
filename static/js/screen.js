// Knows what of the conversation stands on the page and how the filters change it, also afterwards; knows no key, no
// server and no element.

import { breathe } from "./breathe.js";
import * as say from "./sentences.js";
import { Showing } from "./showing.js";
import { Signs } from "./signs.js";
import { AGAIN_MS } from "./typist.js";

/**
 * @import { Filter } from "./filters.js"
 * @import { Ref } from "./payload.js"
 * @import { Person } from "./people.js"
 * @import { Words } from "./sentences.js"
 * @import { Line, Options } from "./showing.js"
 * @import { Transfers } from "./transfers.js"
 * @import { RoomView } from "./view.js"
 * @typedef {"quiet" | "told" | "warn" | "alarm"} NoticeKind
 */

// A page that stays open for weeks must not grow for ever; nobody scrolls back further than this.
const MAX_LINES = 10_000;
// What that many lines of usual length have; whoever fills every one to its limit gets fewer of them kept.
const MAX_CHARACTERS = 4_000_000;
// Apart from the lines: joins and leaves cost a server nothing to invent, and must not flood away what was said.
const MAX_NOTICES = 200;
const TTL_CHECK_MS = 5_000;
const TYPING_MS = 2 * AGAIN_MS;

/** Conversation's screen: every line passes the filters on its way to the view. */
export class Screen {
  #view;
  #showing;
  /** @type {Map<string, Line>} */
  #lines = new Map();
  /** @type {Map<string, string>} which line a message stands in */
  #ids = new Map();
  #signs = new Signs();
  #characters = 0;
  /** @type {Map<string, {words: Words, kind: NoticeKind}>} */
  #notices = new Map();
  #noticed = 0;
  /** @type {Person[]} */
  #people = [];
  #member = "";
  /** @type {Set<string>} whom the reader does not want to hear */
  #muted = new Set();
  /** @type {Map<string, ReturnType<typeof setTimeout>>} */
  #typing = new Map();
  #ttlMs = 0;
  /** @type {Pick<Transfers, "came" | "left"> | undefined} */
  files;

  /**
   * @param {RoomView} view
   * @param {Filter} filter
   */
  constructor(view, filter) {
    this.#view = view;
    this.#showing = new Showing(filter, view.options);
    setInterval(() => this.#age(), TTL_CHECK_MS);
  }

  /**
   * @param {string} member the reader, by whose name one can tell when they are spoken to
   * @param {string} name
   */
  call(member, name) {
    this.#member = member;
    this.#showing.reader = name;
  }

  /** @param {Options} options */
  async allow(options) {
    this.#showing.options = options;
    for (const [id, { words }] of this.#notices) this.#view.stream.updateNotice(id, this.#showing.sentence(words));
    this.people(this.#people);
    // The newest first: they are what most readers have before them.
    for (const [id] of [...this.#lines].reverse()) {
      await breathe();
      if (this.#showing.options !== options) return;
      const line = this.#lines.get(id);
      if (line) this.#view.stream.updateMessage(id, { shown: this.#showing.line(line) });
    }
  }

  /**
   * A line, or what has become of one: a pending line that came back in the feed is the same line.
   * @param {string} id
   * @param {Line} line
   */
  line(id, line) {
    if (this.#lines.has(id)) return;
    while (this.#lines.size >= MAX_LINES || this.#characters > MAX_CHARACTERS)
      this.remove(oldest(this.#lines, ({ status }) => status === "sent"));
    this.#lines.set(id, line);
    this.#characters += line.text.length;
    this.#find(id, line);
    const [muted, shown] = [this.#muted.has(line.member), this.#showing.line(line)];
    this.#view.stream.addMessage(id, { ...line, muted, shown, quote: this.#quote(line), signs: [] });
    if (!line.own && !line.past && !muted) this.#view.noticing.heard();
    if (!muted) this.files?.came(id, line);
  }

  /**
   * @param {string} member
   * @param {boolean} muted
   */
  mute(member, muted) {
    this.#muted[muted ? "add" : "delete"](member);
    for (const [id, line] of this.#lines) if (line.member === member) this.#view.stream.updateMessage(id, { muted });
    this.people(this.#people);
  }

  /** Takes away what has been said until now, and keeps what is unsent or alarming. */
  clear() {
    for (const [id, { status }] of this.#lines) if (status === "sent") this.remove(id);
    for (const [id, { kind }] of this.#notices) if (kind !== "alarm") this.unnotice(id);
  }

  /**
   * @param {string} member
   * @param {boolean} on whether they write; who says no more of it has stopped
   */
  typing(member, on) {
    clearTimeout(this.#typing.get(member));
    this.#typing.delete(member);
    if (on) this.#typing.set(member, setTimeout(() => this.typing(member, false), TYPING_MS));
    this.#showTyping();
  }

  #showTyping() {
    const who = this.#people.filter(({ member }) => this.#typing.has(member) && !this.#muted.has(member));
    this.#view.showTyping(this.#showing.sentence(say.typing(who.slice(0, 3).map(({ name }) => ({ name: name ?? "?" })))));
  }

  /**
   * @param {string} id
   * @param {Partial<Line>} change
   */
  change(id, change) {
    const line = this.#lines.get(id);
    if (line === undefined) return;
    const now = { ...line, ...change };
    this.#lines.set(id, now);
    this.#characters += now.text.length - line.text.length;
    this.#find(id, now);
    this.#view.stream.updateMessage(id, now.text === line.text ? change : { ...change, shown: this.#showing.line(now) });
  }

  /**
   * @param {string} id
   * @param {Line} line
   */
  #find(id, { member, seq }) {
    if (seq !== undefined) this.#ids.set(key([member, seq]), id);
  }

  /**
   * @param {Ref} ref
   * @param {string} text
   */
  edit(ref, text) {
    const id = this.#ids.get(key(ref)) ?? "";
    const { erased, file } = this.#lines.get(id) ?? {};
    if (!erased && !file) this.change(id, { text, edited: true });
  }

  /** @param {Ref} ref */
  erase(ref) {
    const id = this.#ids.get(key(ref));
    if (id === undefined) return;
    this.#signs.forget(id);
    this.files?.left(id);
    this.change(id, { text: "", erased: true, file: undefined, loading: undefined });
    this.#showSigns(id);
  }

  /**
   * @param {Ref} ref
   * @param {{member: string, name: string}} who
   * @param {string} sign
   * @param {boolean} on
   */
  react(ref, who, sign, on) {
    const id = this.#ids.get(key(ref));
    if (id === undefined || this.#lines.get(id)?.erased) return;
    this.#signs.set(id, who, sign, on);
    this.#showSigns(id);
  }

  /**
   * @param {string} id
   * @param {string} sign
   */
  hasSign(id, sign) {
    return this.#signs.has(id, sign, this.#member);
  }

  /** @param {string} id */
  #showSigns(id) {
    const signs = this.#signs.under(id, this.#member).map(({ names, ...sign }) => ({
      ...sign,
      names: names.map((name) => this.#showing.name(name)),
    }));
    this.#view.stream.updateMessage(id, { signs });
  }

  /**
   * What a line answers, as far as that is here.
   * @param {Line} line
   */
  #quote({ re }) {
    if (!re) return undefined;
    const id = this.#ids.get(key(re)) ?? "";
    const line = this.#lines.get(id);
    if (!line) return { id: "", name: "", text: "" };
    const shown = this.#showing.line(line);
    return { id, name: shown.nameParts, text: shown.line };
  }

  /** @param {string} id */
  said(id) {
    return this.#lines.get(id);
  }

  /** @param {string} id */
  remove(id) {
    const line = this.#lines.get(id);
    this.files?.left(id);
    this.#characters -= line?.text.length ?? 0;
    if (line?.seq !== undefined) this.#ids.delete(key([line.member, line.seq]));
    this.#signs.forget(id);
    this.#lines.delete(id);
    this.#view.stream.remove(id);
  }

  /**
   * @param {string} member
   * @param {string} tag
   */
  retag(member, tag) {
    for (const [id, line] of this.#lines) if (line.member === member) this.change(id, { tag });
  }

  /**
   * @param {string | null} id
   * @param {Words} words
   * @param {NoticeKind} kind
   */
  notice(id, words, kind) {
    const key = id ?? `notice:${++this.#noticed}`;
    this.#notices.delete(key);
    this.#notices.set(key, { words, kind });
    this.#view.addNotice(key, this.#showing.sentence(words), kind);
    if (this.#notices.size > MAX_NOTICES) this.unnotice(oldest(this.#notices, (notice) => notice.kind === "quiet"));
  }

  /** @param {string} id */
  unnotice(id) {
    this.#notices.delete(id);
    this.#view.stream.remove(id);
  }

  /** @param {Person[]} people */
  people(people) {
    this.#people = people;
    this.#showing.names = people.flatMap(({ name }) => (name === null ? [] : [name]));
    this.#view.people.set(
      people.map(({ name, ...person }) => ({
        ...person,
        name: name === null ? null : this.#showing.name(name),
        muted: this.#muted.has(person.member),
      })),
    );
    this.#showTyping();
  }

  /** @param {string} text */
  ciphertext(text) {
    this.#view.addCiphertext(text);
  }

  /** @param {number} seconds what the room's people have set, 0 for nothing */
  timer(seconds) {
    this.#view.timer = seconds;
  }

  /** @param {number} seconds 0: messages stay */
  ttl(seconds) {
    this.#ttlMs = seconds * 1000;
  }

  #age() {
    if (!this.#ttlMs) return;
    const oldest = Date.now() - this.#ttlMs;
    for (const [id, { at, status }] of this.#lines) if (status === "sent" && at < oldest) this.remove(id);
  }
}

/** @param {Ref} ref */
function key([member, seq]) {
  return `${member} ${seq}`;
}

/**
 * What is dropped first: of what nobody needs any more, or else of all.
 * @template T
 * @param {Map<string, T>} map in order of age
 * @param {(value: T) => boolean} idle
 */
function oldest(map, idle) {
  for (const [id, value] of map) if (idle(value)) return id;
  return String(map.keys().next().value);
}
