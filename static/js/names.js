// Knows what people may type: room names, usernames, message texts; knows no key and no page.

import { isWellFormed } from "./bytes.js";

/** What the login page puts into an empty box; alone it is no name. */
export const ROOM_PREFIX = "room-";
export const ROOM_MAX = 128;
export const USERNAME_MIN = 3;
export const USERNAME_MAX = 32;
export const TEXT_MAX = 10_000;

/** @typedef {"empty" | "too-short" | "too-long" | "surrogate" | "forbidden"} NameFault */

export class NameError extends Error {
  /** @param {NameFault} code */
  constructor(code) {
    super(`name refused: ${code}`);
    this.code = code;
  }
}

// Controls, line separators, everything of format (bidirectional controls are such), and what has no width although
// it counts as letter or mark: a name made of these looks like another name, or turns the line it stands in around.
const FORBIDDEN = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]|(?![\u200c\u200d])\p{Cf}/u;
const NO_WIDTH = /[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0\u{e0100}-\u{e01ef}]/u;
// Persian and the scripts of India spell with joiners; anywhere else they are invisible and nothing more.
const LOOSE_JOINER = /(?<![\p{L}\p{M}])[\u200c\u200d]|[\u200c\u200d](?![\p{L}\p{M}])/u;

/**
 * The one spelling of a room name, from which its keys come.
 * @param {string} typed
 */
export function normalizeRoom(typed) {
  if (!isWellFormed(typed)) throw new NameError("surrogate");
  const name = tidy(typed);
  if (name === "" || name === ROOM_PREFIX) throw new NameError("empty");
  if (length(name) > ROOM_MAX) throw new NameError("too-long");
  return name;
}

/**
 * Variation selectors are dropped without complaint: phones put them behind every other emoji.
 * @param {string} typed
 */
export function normalizeUsername(typed) {
  const name = tidy(typed.replace(/[\ufe00-\ufe0f]/g, ""));
  if (length(name) < USERNAME_MIN) throw new NameError("too-short");
  if (length(name) > USERNAME_MAX) throw new NameError("too-long");
  if (!isUsername(name)) throw new NameError("forbidden");
  return name;
}

/**
 * Whether readers accept `name` from others.
 * @param {string} name
 */
export function isUsername(name) {
  const size = length(name);
  const sized = size >= USERNAME_MIN && size <= USERNAME_MAX;
  return sized && ![FORBIDDEN, NO_WIDTH, LOOSE_JOINER].some((harm) => harm.test(name));
}

/**
 * A message as it is sent: line breaks are "\n", unpaired surrogates become U+FFFD, the ends are trimmed.
 * @param {string} typed
 */
export function normalizeText(typed) {
  const text = typed.replace(/\r\n?/g, "\n").replace(/\p{Surrogate}/gu, "\ufffd").trim();
  if (text === "") throw new NameError("empty");
  if (!isText(text)) throw new NameError("too-long");
  return text;
}

/**
 * Whether readers accept `text` from others.
 * @param {string} text
 */
export function isText(text) {
  return length(text) <= TEXT_MAX && isWellFormed(text);
}

const FILE_MAX = 120;
const EXTENSION = /\.[^.\s]{1,15}$/u;

/**
 * A file's name as it may be shown and saved: without what hides what a file is, or leads elsewhere.
 * @param {string} name
 */
export function fileName(name) {
  const seen = [...name].filter((char) => !FORBIDDEN.test(char) && !NO_WIDTH.test(char)).join("");
  const whole = ends(seen.normalize("NFC").replace(/[\\/:*?"<>|]/g, "_"));
  if (length(whole) <= FILE_MAX) return whole || "file";
  const [extension = ""] = EXTENSION.exec(whole) ?? [];
  return ends([...whole].slice(0, FILE_MAX - length(extension)).join("")) + extension;
}

/** @param {string} name */
function ends(name) {
  return name.replace(/\s+/g, " ").replace(/^[.\s]+|[.\s]+$/g, "");
}

// One emoji, or several joined into one, or a flag.
const EMOJI = String.raw`\p{ExtPict}[\ufe0f\p{EMod}]*(?:[\u{e0020}-\u{e007e}]+\u{e007f})?`;
const SIGN = new RegExp(`^(?:\\p{RI}{2}|${EMOJI}(?:\u200d${EMOJI})*)$`, "u");
const SIGN_MAX = 16;

/**
 * Whether readers accept `text` as what somebody sets under a message.
 * @param {string} text
 */
export function isSign(text) {
  return length(text) <= SIGN_MAX && SIGN.test(text);
}

/**
 * What a box shows while somebody types.
 * @param {string} typed
 */
export function dashed(typed) {
  return typed.replace(/\s+/g, "-");
}

/** @param {string} typed */
function tidy(typed) {
  return dashed(typed.normalize("NFKC").trim());
}

/**
 * In code points, as every limit is.
 * @param {string} text
 */
function length(text) {
  return [...text].length;
}
