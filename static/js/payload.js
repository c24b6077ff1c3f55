// Knows what stands inside a room ciphertext, kind by kind; knows no key and no byte of its wrapping.

import { isBytes, text, utf8 } from "./bytes.js";
import { fileName, isSign, isText, isUsername } from "./names.js";

/** @import { Bytes } from "./bytes.js" */

/**
 * @typedef {{at: number, seq: number, prev: string}} Head the signer's messages so far, and when it was said
 * @typedef {[number, string] | null} Seen id and digest of the last message the author had in the feed
 * @typedef {Head & {name: string}} User
 * @typedef {Head & {on: boolean}} Typing
 * @typedef {[member: string, seq: number]} Ref the message of a signer with this number
 * @typedef {[id: string, size: number, type: string, key: string, sum: string]} FileRef where a file is to be had, and how
 *   to know it
 * @typedef {{name: string, text: string, me?: true, re?: Ref, file?: FileRef}} Saying `me`: the text tells what its author
 *   does; `re`: what it answers; `file`: it is one, and the text its name
 * @typedef {{edit: number, text: string}} Edit another text for the signer's own message of this number
 * @typedef {{erase: number}} Erase
 * @typedef {{react: Ref, sign: string, on: boolean}} React
 * @typedef {{fade: number}} Fade after so many seconds messages vanish, 0 for never
 * @typedef {Saying | Edit | Erase | React | Fade} Body what a person does in the room, each in a message of its own
 * @typedef {Head & {seen: Seen}} Place
 * @typedef {Place & {void: true}} Withdrawn a message that was given up
 * @typedef {{user: User, message: Place & Body | Withdrawn, typing: Typing}} Payloads
 * @typedef {keyof Payloads} Kind
 */

// The end of the year 9999: later moments make the date libraries of some languages throw, JavaScript's soon after.
const MAX_AT = 253_402_300_799_999;
const MAX_FADE = 31_536_000;
const TYPE = /^(?:[a-z]+\/[a-z0-9.+-]{1,80})?$/;

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
   * @returns {Payloads["message"]}
   */
  message(fields) {
    // `prev` speaks of the message before, so the first one has none.
    const head = { ...readHead(fields, fields.seq - 1), seen: readSeen(fields) };
    if (Object.hasOwn(fields, "void")) {
      if (fields.void !== true) throw new TypeError("void");
      return { void: true, ...head };
    }
    return { ...readBody(fields), ...head };
  },
});

/**
 * @param {Fields} fields
 * @returns {Body}
 */
function readBody(fields) {
  const { edit, erase, react, sign, on, fade, me, re, file, seq } = fields;
  // Only what was said before can be changed.
  if (edit !== undefined) return { edit: readNumber(edit, seq), text: readText(fields) };
  if (erase !== undefined) return { erase: readNumber(erase, seq) };
  if (react !== undefined) {
    if (typeof on !== "boolean" || typeof sign !== "string" || !isSign(sign)) throw new TypeError("react");
    return { react: readRef(react), sign, on };
  }
  if (fade !== undefined) {
    if (!Number.isSafeInteger(fade) || fade < 0 || fade > MAX_FADE) throw new TypeError("fade");
    return { fade };
  }
  if (me !== undefined && me !== true) throw new TypeError("me");
  const more = {
    ...(me ? { me } : {}),
    ...(re === undefined ? {} : { re: readRef(re) }),
    ...(file === undefined ? {} : { file: readFile(fields) }),
  };
  return { name: readName(fields), text: readText(fields), ...more };
}

/** @param {Fields} fields */
function readText({ text }) {
  if (typeof text !== "string" || !isText(text)) throw new TypeError("text");
  return text;
}

/**
 * @param {unknown} ref
 * @returns {Ref}
 */
function readRef(ref) {
  if (!Array.isArray(ref) || ref.length !== 2 || !isBytes(ref[0], 32)) throw new TypeError("ref");
  return [ref[0], readNumber(ref[1], Infinity)];
}

/**
 * @param {Fields} fields
 * @returns {FileRef}
 */
function readFile({ file, text }) {
  if (!Array.isArray(file) || file.length !== 5 || fileName(text) !== text) throw new TypeError("file");
  const [id, size, type, key, sum] = file;
  if (!isBytes(id, 16) || !isBytes(key, 32) || !isBytes(sum, 32)) throw new TypeError("file");
  if (!Number.isSafeInteger(size) || size < 0 || typeof type !== "string" || !TYPE.test(type)) throw new TypeError("file");
  return [id, size, type, key, sum];
}

/**
 * @param {unknown} number
 * @param {number} below
 */
function readNumber(number, below) {
  if (!Number.isSafeInteger(number)) throw new TypeError("number");
  const seq = /** @type {number} */ (number);
  if (seq < 1 || seq >= below) throw new TypeError("number");
  return seq;
}

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
