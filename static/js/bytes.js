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
  // Only what is left over at the end can be spelt in several ways.
  const [rest, end] = [bytes.length % 3, spelling.length % 4];
  if (end > 0 && toBase64url(bytes.slice(-rest)) !== spelling.slice(-end)) throw new RangeError("not canonical base64url");
  return bytes;
}

/**
 * Whether `value` spells so many bytes.
 * @param {unknown} value
 * @param {number} length
 * @returns {value is string}
 */
export function isBytes(value, length) {
  try {
    return fromBase64url(/** @type {string} */ (value)).length === length;
  } catch {
    return false;
  }
}

/**
 * The everyday base64 of a PEM, as forgiving as atob.
 * @param {string} spelling
 * @returns {Bytes}
 */
export function fromBase64(spelling) {
  const binary = atob(spelling);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

/**
 * A number as it is spelt in bytes, the high ones first.
 * @param {number} value a safe integer, not negative
 * @param {number} length at most 8
 */
export function uint(value, length) {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes.slice(8 - length);
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
