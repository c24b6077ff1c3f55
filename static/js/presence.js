// Knows who is in the room by the server's word, how they look and what they are called; judges nothing.

import { describeSigner } from "./crypto.js";
import { called } from "./sentences.js";
import { Tags } from "./tags.js";

/**
 * @import { Person } from "./people.js"
 * @import { Words } from "./sentences.js"
 * @typedef {{letters: string, hue: number}} Look
 */

// Signers of whom the looks are remembered, and people that are listed; a room is far smaller.
const MAX_LOOKS = 4096;

export class Presence {
  #tags = new Tags();
  /** @type {Map<string, Look>} */
  #looks = new Map();
  /** @type {Map<string, string | null>} names by member; none where what the server lists cannot be opened */
  #names = new Map();
  #me;
  #retag;

  /**
   * @param {string} me this tab's member
   * @param {(member: string, tag: string) => void} retag somebody's tag has grown, since another begins like it
   */
  constructor(me, retag) {
    this.#me = me;
    this.#retag = retag;
  }

  get members() {
    return [...this.#names.keys()];
  }

  get full() {
    return this.#names.size >= MAX_LOOKS;
  }

  /** @param {string} member */
  has(member) {
    return this.#names.has(member);
  }

  /**
   * @param {string} member
   * @param {string | null} name
   */
  set(member, name) {
    this.#names.set(member, name);
  }

  /** @param {string} member */
  delete(member) {
    this.#names.delete(member);
  }

  clear() {
    this.#names.clear();
  }

  /** @param {string} member */
  name(member) {
    return this.#names.get(member) ?? null;
  }

  /** @param {string} member */
  tag(member) {
    return this.#tags.of(member).tag;
  }

  /**
   * @param {string} member
   * @param {string | null} [named] the name to use instead of what the list of people has
   * @returns {Words}
   */
  called(member, named) {
    return called(named ?? this.name(member), this.tag(member));
  }

  /**
   * @param {string} member
   * @returns {Promise<Look>}
   */
  async look(member) {
    let look = this.#looks.get(member);
    if (look === undefined) {
      look = await describeSigner(member);
      if (this.#looks.size >= MAX_LOOKS) this.#looks.delete(String(this.#looks.keys().next().value));
      this.#looks.set(member, look);
    }
    for (const other of this.#tags.add(member, look.letters)) this.#retag(other, this.tag(other));
    return look;
  }

  /**
   * @param {(member: string) => boolean} confirmed
   * @returns {Person[]}
   */
  list(confirmed) {
    return [...this.#names].map(([member, name]) => {
      const { letters, hue } = this.#looks.get(member) ?? { letters: "", hue: 0 };
      const me = member === this.#me;
      return { member, name, ...this.#tags.of(member), card: letters, hue, me, confirmed: me || confirmed(member) };
    });
  }
}
