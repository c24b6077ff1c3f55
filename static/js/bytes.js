// Knows bytes and their spellings; knows no key, no room and no network.

/** @typedef {Uint8Array<ArrayBuffer>} Bytes */

const encoder = new TextEncoder();
// ignoreBOM keeps the mark in the text, so that it can be refused instead of vanishing.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** @param {string} text */
export function isWellFormed(text) {
  return !/\p{Surrogate}/u.test(text);
}

/**
 * An unpaired surrogate throws: TextEncoder would turn different texts into the same bytes.
 * @param {string} text
 * @returns {Bytes}
 */
export function utf8(text) {
  if (!isWellFormed(text)) throw new RangeError("unpaired surrogate");
  return encoder.encode(text);
}

/**
 * Strict: bytes that are not UTF-8, or begin with a byte-order mark, throw.
 * @param {Bytes} bytes
 */
export function text(bytes) {
  const decoded = decoder.decode(bytes);
  if (decoded.startsWith("\ufeff")) throw new RangeError("byte-order mark");
  return decoded;
}

/**
 * @param {...Bytes} parts
 * @returns {Bytes}
 */
export function concat(...parts) {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

/**
 * @param {Bytes} a
 * @param {Bytes} b
 */
export function equal(a, b) {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

/** @param {Bytes} bytes */
export function toBase64url(bytes) {
  let binary = "";
  // In slices: the arguments of one call are limited by the engine's stack.
  for (let at = 0; at < bytes.length; at += 8192) binary += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/**
 * Throws unless `spelling` is the one canonical spelling: no "=", no white space, unused last bits zero.
 * @param {string} spelling
 * @returns {Bytes}
 */
export function fromBase64url(spelling) {
  if (typeof spelling !== "string" || !/^[\w-]*$/.test(spelling)) throw new RangeError("not base64url");
  const bytes = fromBase64(spelling.replaceAll("-", "+").replaceAll("_", "/"));
  if (toBase64url(bytes) !== spelling) throw new RangeError("not canonical base64url");
  return bytes;
}

/**
 * The everyday base64 of a PEM, as forgiving as atob.
 * @param {string} spelling
 * @returns {Bytes}
 */
export function fromBase64(spelling) {
  return Uint8Array.from(atob(spelling), (character) => character.charCodeAt(0));
}

/** @param {number} value */
export function uint16(value) {
  const bytes = new Uint8Array(2);
  new DataView(bytes.buffer).setUint16(0, value);
  return bytes;
}

/** @param {number} value */
export function uint32(value) {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

/** @param {number} value a safe integer, not negative */
export function uint64(value) {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}

/** @param {Bytes} bytes */
export function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * As people compare it: upper-case hex in groups of four.
 * @param {Bytes} bytes
 */
export function fingerprint(bytes) {
  return hex(bytes).toUpperCase().replace(/(.{4})(?=.)/g, "$1 ");
}
