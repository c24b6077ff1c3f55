// Knows what stands inside a room ciphertext, kind by kind; knows no key and no byte of its wrapping.

import { isBytes, text, utf8 } from "./bytes.js";
import { isText, isUsername } from "./names.js";

/** @import { Bytes } from "./bytes.js" */

/**
 * @typedef {{at: number, seq: number, prev: string}} Head the signer's messages so far, and when it was said
 * @typedef {[number, string] | null} Seen id and digest of the last message the author had in the feed
 * @typedef {Head & {name: string}} User
 * @typedef {Head & {on: boolean}} Typing
 * @typedef {Head & {name: string, text: string, seen: Seen}} Said
 * @typedef {Head & {void: true, seen: Seen}} Withdrawn a message that was given up
 * @typedef {{user: User, message: Said | Withdrawn, typing: Typing}} Payloads
 * @typedef {keyof Payloads} Kind
 */

// The end of the year 9999: later moments make the date libraries of some languages throw, JavaScript's soon after.
const MAX_AT = 253_402_300_799_999;

/**
 * @template {Kind} K
 * @param {K} kind
 * @param {Payloads[K]} payload
 * @returns {Bytes}
 */
export function encodePayload(kind, payload) {
  return utf8(JSON.stringify(CHECKS[kind](/** @type {any} */ (payload))));
}

/**
 * Throws on what is not strict UTF-8, not JSON, or not of the kind's shape; unknown keys are left out.
 * @template {Kind} K
 * @param {K} kind
 * @param {Bytes} bytes
 * @returns {Payloads[K]}
 */
export function decodePayload(kind, bytes) {
  // What is no object has none of the keys.
  return /** @type {Payloads[K]} */ (CHECKS[kind](JSON.parse(text(bytes))));
}

/** @typedef {Record<string, any>} Fields as somebody else wrote them */

const CHECKS = Object.freeze({
  /**
   * @param {Fields} fields
   * @returns {User}
   */
  user: (fields) => ({ name: readName(fields), ...readHead(fields, fields.seq) }),

  /**
   * @param {Fields} fields
   * @returns {Typing}
   */
  typing(fields) {
    if (typeof fields.on !== "boolean") throw new TypeError("on");
    return { on: fields.on, ...readHead(fields, fields.seq) };
  },

  /**
   * @param {Fields} fields
   * @returns {Said | Withdrawn}
   */
  message(fields) {
    // `prev` speaks of the message before, so the first one has none.
    const head = { ...readHead(fields, fields.seq - 1), seen: readSeen(fields) };
    if (Object.hasOwn(fields, "void")) {
      if (fields.void !== true) throw new TypeError("void");
      return { void: true, ...head };
    }
    if (typeof fields.text !== "string" || !isText(fields.text)) throw new TypeError("text");
    return { name: readName(fields), text: fields.text, ...head };
  },
});

/**
 * @param {Fields} fields
 * @param {number} named the number of the message that `prev` is the hash of, 0 if there is none
 * @returns {Head}
 */
function readHead({ at, seq, prev }, named) {
  if (!Number.isSafeInteger(at) || at < 0 || at > MAX_AT) throw new TypeError("at");
  if (!Number.isSafeInteger(seq) || named < 0) throw new TypeError("seq");
  if (!(named === 0 ? prev === "" : isBytes(prev, 32))) throw new TypeError("prev");
  return { at, seq, prev };
}

/** @param {Fields} fields */
function readName({ name }) {
  if (typeof name !== "string" || !isUsername(name)) throw new TypeError("name");
  return name;
}

/**
 * @param {Fields} fields
 * @returns {Seen}
 */
function readSeen({ seen }) {
  if (seen === null) return null;
  if (!Array.isArray(seen) || seen.length !== 2) throw new TypeError("seen");
  const [id, digest] = seen;
  if (!Number.isSafeInteger(id) || id < 1) throw new TypeError("seen");
  if (!isBytes(digest, 32)) throw new TypeError("seen");
  return [id, digest];
}
