// Knows what of the conversation stands on the page and how the filters change it, also afterwards; knows no key, no
// server and no element.

import { breathe } from "./breathe.js";

/**
 * @import { Line } from "./conversation.js"
 * @import { Filter } from "./filters.js"
 * @import { Person } from "./people.js"
 * @import { Words } from "./sentences.js"
 * @import { RoomView } from "./view.js"
 */
/**
 * @typedef {{links: boolean, characters: boolean}} Options what is allowed
 * @typedef {"quiet" | "warn" | "alarm"} NoticeKind
 */

// A page that stays open for weeks must not grow for ever; nobody scrolls back further than this.
const MAX_LINES = 10_000;
// What that many lines of usual length have; whoever fills every one to its limit gets fewer of them kept.
const MAX_CHARACTERS = 4_000_000;
// Apart from the lines: joins and leaves cost a server nothing to invent, and must not flood away what was said.
const MAX_NOTICES = 200;
const TTL_CHECK_MS = 5_000;
const NAME_WITH_LINK = "(a link)";
const NAME_OF_NOTHING = "(filtered)";

/** Conversation's screen: every line passes the filters on its way to the view. */
export class Screen {
  #view;
  #filter;
  /** @type {Options} */
  #options;
  /** @type {Map<string, Line>} */
  #lines = new Map();
  #characters = 0;
  /** @type {Map<string, {words: Words, kind: NoticeKind}>} */
  #notices = new Map();
  #noticed = 0;
  /** @type {Person[]} */
  #people = [];
  #ttlMs = 0;

  /**
   * @param {RoomView} view
   * @param {Filter} filter
   */
  constructor(view, filter) {
    this.#view = view;
    this.#filter = filter;
    this.#options = view.options;
    setInterval(() => this.#age(), TTL_CHECK_MS);
  }

  /** @param {Options} options */
  async allow(options) {
    this.#options = options;
    for (const [id, { words }] of this.#notices) this.#view.stream.updateNotice(id, this.#sentence(words));
    this.people(this.#people);
    // The newest first: they are what most readers have before them.
    for (const [id] of [...this.#lines].reverse()) {
      await breathe();
      if (this.#options !== options) return;
      const line = this.#lines.get(id);
      if (line) this.#view.stream.updateMessage(id, { shown: this.#shown(line) });
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
    this.#view.stream.addMessage(id, { ...line, shown: this.#shown(line) });
  }

  /**
   * @param {string} id
   * @param {Partial<Line>} change
   */
  change(id, change) {
    const line = this.#lines.get(id);
    if (line === undefined) return;
    this.#lines.set(id, { ...line, ...change });
    this.#view.stream.updateMessage(id, change);
  }

  /** @param {string} id */
  text(id) {
    return this.#lines.get(id)?.text;
  }

  /** @param {string} id */
  remove(id) {
    this.#characters -= this.#lines.get(id)?.text.length ?? 0;
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
    this.#view.addNotice(key, this.#sentence(words), kind);
    if (this.#notices.size > MAX_NOTICES) this.unnotice(oldest(this.#notices, (notice) => notice.kind === "quiet"));
  }

  /** @param {string} id */
  unnotice(id) {
    this.#notices.delete(id);
    this.#view.stream.remove(id);
  }

  /**
   * @param {Words} words
   * @returns {Words}
   */
  #sentence(words) {
    return words.map((word) => (typeof word === "string" ? word : { name: this.#name(word.name) }));
  }

  /** @param {Person[]} people */
  people(people) {
    this.#people = people;
    this.#view.people.set(people.map((person) => ({ ...person, name: person.name === null ? null : this.#name(person.name) })));
  }

  /** @param {string} text */
  ciphertext(text) {
    this.#view.addCiphertext(text);
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

  /**
   * A name as the filters let it be shown.
   * @param {string} name
   */
  #name(name) {
    const { links, characters } = this.#options;
    if (!links && this.#filter.hasLink(name)) return NAME_WITH_LINK;
    return characters ? name : this.#filter.characters(name).text || NAME_OF_NOTHING;
  }

  /** @param {Line} line */
  #shown({ name, text }) {
    const { links, characters } = this.#options;
    const nameParts = this.#name(name);
    const blocked = !links && (this.#filter.hasLink(text) || this.#filter.hasLink(name));
    if (blocked) return { nameParts, blocked, filtered: false, parts: [] };
    const kept = characters ? { text, filtered: false } : this.#filter.characters(text);
    const filtered = kept.filtered || (!characters && nameParts !== name);
    return { nameParts, blocked, filtered, parts: links ? this.#filter.links(kept.text) : [{ text: kept.text }] };
  }
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
