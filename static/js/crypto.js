// Knows the keys that come from a room's secret and how everything inside a room is sealed, signed and refused;
// knows nothing of the server, the network or the page.

import { concat, fingerprint, fromBase64url, hex, toBase64url, uint, utf8 } from "./bytes.js";
import { decodePayload, encodePayload } from "./payload.js";

/**
 * @import { Bytes } from "./bytes.js"
 * @import { Kind, Payloads } from "./payload.js"
 */

/**
 * @typedef {{address: Bytes, identity: CryptoKey, key: CryptoKey, fingerprint: string}} Room
 * @typedef {{member: string, publicKey: Bytes, privateKey: CryptoKey}} Signer
 * @typedef {{ciphertext: string, bytes: Bytes, digest: string, payloadDigest: string}} Sealed
 */
/**
 * @template {Kind} K
 * @typedef {{member: string, payload: Payloads[K], digest: string, payloadDigest: string}} Opened
 */

/** The cost of one guess at a room name, memory in KiB. Constants of the protocol, never taken from a server. */
export const KDF = Object.freeze({ memorySize: 131_072, iterations: 3, parallelism: 1, hashLength: 32 });

/** @typedef {"encoding" | "size" | "key" | "padding" | "signer" | "signature" | "payload"} ContentFault */

export class ContentError extends Error {
  /** @param {ContentFault} code */
  constructor(code) {
    super(`content refused: ${code}`);
    this.code = code;
  }
}

const VERSION = "chatsite/1 ";
const ZERO = new Uint8Array(1);
const NONCE = 12;
const TAG = 16;
// signer(32) || signature(64) || length(4)
const HEADER = 100;
const SMALLEST = 256;
const LARGEST = 65_536;
/** The class of everything that is no message: its size says nothing. */
const UNIFORM = 512;

/** @param {Bytes} bytes */
export async function sha256(bytes) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

/**
 * @param {Bytes} siteSalt 16 bytes
 * @returns {Promise<Bytes>} 16 bytes
 */
export async function kdfSalt(siteSalt) {
  return (await sha256(concat(utf8(VERSION + "salt"), siteSalt))).slice(0, 16);
}

/**
 * What this browser lacks, by trying: empty when it has everything. What has Ed25519, the youngest part of WebCrypto, has the
 * other parts, too.
 * @returns {Promise<string[]>}
 */
export async function unsupported() {
  if (globalThis.crypto?.subtle === undefined) return ["WebCrypto"];
  const signs = await identityFrom(new Uint8Array(32)).catch(() => null);
  return [...(signs ? [] : ["Ed25519"]), ...("WebAssembly" in globalThis ? [] : ["WebAssembly"])];
}

/**
 * Everything that a tab keeps of a room. The secret is used up: its bytes are zeroed.
 * @param {Bytes} secret
 * @returns {Promise<Room>}
 */
export async function deriveRoom(secret) {
  const seed = await hkdf(secret, "room identity");
  const raw = await rawRoomKey(secret);
  const { address, identity } = await identityFrom(seed);
  const key = await crypto.subtle.importKey("raw", raw, "AES-GCM", false, ["encrypt", "decrypt"]);
  raw.fill(0);
  const digest = await sha256(concat(utf8(VERSION + "fingerprint"), ZERO, address));
  return { address, identity, key, fingerprint: fingerprint(digest.subarray(0, 16)) };
}

/**
 * The private room key itself, to be shown on request and forgotten. The secret is used up: its bytes are zeroed.
 * @param {Bytes} secret
 */
export async function rawRoomKey(secret) {
  const raw = await hkdf(secret, "room key");
  secret.fill(0);
  return raw;
}

/**
 * HKDF-SHA-256 with an empty salt.
 * @param {Bytes} secret
 * @param {string} purpose
 */
export async function hkdf(secret, purpose) {
  const base = await crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveBits"]);
  const how = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(0), info: utf8(VERSION + purpose) };
  return new Uint8Array(await crypto.subtle.deriveBits(how, base, 256));
}

// WebCrypto takes an Ed25519 seed only as PKCS8 (RFC 8410), and gives the public half only in a JWK.
const PKCS8 = Uint8Array.from([48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32]);

/** @param {Bytes} seed zeroed */
async function identityFrom(seed) {
  const pkcs8 = concat(PKCS8, seed);
  const exportable = await crypto.subtle.importKey("pkcs8", pkcs8, "Ed25519", true, ["sign"]);
  const identity = await crypto.subtle.importKey("pkcs8", pkcs8, "Ed25519", false, ["sign"]);
  pkcs8.fill(0);
  seed.fill(0);
  const { x } = await crypto.subtle.exportKey("jwk", exportable);
  return { address: fromBase64url(String(x)), identity };
}

/** @returns {Promise<Signer>} */
export async function makeSigner() {
  const pair = /** @type {CryptoKeyPair} */ (await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]));
  const publicKey = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  return { member: toBase64url(publicKey), publicKey, privateKey: pair.privateKey };
}

const CONSONANTS = "bcdfghjkmnpqrtvz";

/**
 * How a signer looks: 20 letters (80 bits, the first four are the tag) and a hue in degrees.
 * @param {string} member
 */
export async function describeSigner(member) {
  const digest = await sha256(concat(utf8(VERSION + "tag"), ZERO, fromBase64url(member)));
  const letters = hex(digest.subarray(0, 10)).replace(/./g, (nibble) => CONSONANTS[parseInt(nibble, 16)]);
  return { letters, hue: (digest[30] * 256 + digest[31]) % 360 };
}

// The y of every point whose order divides 8, little-endian, sign bit clear.
const SMALL_ORDER = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
]);

/**
 * False for Ed25519 keys that are not canonical or of small order: signatures under those need no private key.
 * @param {Bytes} bytes
 */
export function isSafeKey(bytes) {
  if (bytes.length !== 32) return false;
  const y = bytes.slice();
  y[31] &= 0x7f;
  const belowPrime = y[31] < 0x7f || y[0] < 0xed || y.subarray(1, 31).some((byte) => byte !== 0xff);
  return belowPrime && !SMALL_ORDER.has(hex(y));
}

/**
 * The bytes that bind a ciphertext to its kind and room: additional data, and the beginning of what is signed.
 * @param {Kind} kind
 * @param {Room} room
 */
function binding(kind, { address }) {
  return concat(utf8(VERSION + kind), ZERO, address);
}

/**
 * The one class for a payload of this many bytes, or undefined when it fits none.
 * @param {Kind} kind
 * @param {number} length
 */
function paddedSize(kind, length) {
  let size = kind === "message" ? SMALLEST : UNIFORM;
  const largest = kind === "message" ? LARGEST : UNIFORM;
  while (size < HEADER + length) size *= 2;
  return size <= largest ? size : undefined;
}

/**
 * @template {Kind} K
 * @param {Room} room
 * @param {Signer} signer
 * @param {K} kind
 * @param {Payloads[K]} payload
 * @returns {Promise<Sealed>}
 */
export async function sealContent(room, signer, kind, payload) {
  const bound = binding(kind, room);
  const encoded = orRefuse("payload", () => encodePayload(kind, payload));
  const size = paddedSize(kind, encoded.length);
  if (size === undefined) throw new ContentError("size");
  const signature = new Uint8Array(await crypto.subtle.sign("Ed25519", signer.privateKey, concat(bound, encoded)));
  const padded = new Uint8Array(size);
  padded.set(concat(signer.publicKey, signature, uint(encoded.length, 4), encoded));
  const iv = crypto.getRandomValues(new Uint8Array(NONCE));
  const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData: bound }, room.key, padded);
  const bytes = concat(iv, new Uint8Array(sealed));
  return {
    ciphertext: toBase64url(bytes),
    bytes,
    digest: toBase64url(await sha256(bytes)),
    payloadDigest: toBase64url(await sha256(encoded)),
  };
}

/**
 * Verifies everything that one ciphertext can prove by itself; refuses with a ContentError, the first reason found.
 * @template {Kind} K
 * @param {Room} room
 * @param {K} kind
 * @param {string} ciphertext
 * @returns {Promise<Opened<K>>}
 */
export async function openContent(room, kind, ciphertext) {
  const bytes = orRefuse("encoding", () => fromBase64url(ciphertext));
  const size = bytes.length - NONCE - TAG;
  if (paddedSize(kind, size - HEADER) !== size) throw new ContentError("size");
  const bound = binding(kind, room);
  const padded = await decrypt(room.key, bytes, bound);

  const length = new DataView(padded.buffer).getUint32(HEADER - 4);
  const encoded = padded.slice(HEADER, HEADER + length);
  const zeros = padded.subarray(HEADER + length);
  if (paddedSize(kind, length) !== padded.length || zeros.some((byte) => byte !== 0)) throw new ContentError("padding");

  const signer = padded.slice(0, 32);
  if (!isSafeKey(signer)) throw new ContentError("signer");
  if (!(await verify(signer, padded.slice(32, 96), concat(bound, encoded)))) throw new ContentError("signature");
  return {
    member: toBase64url(signer),
    payload: orRefuse("payload", () => decodePayload(kind, encoded)),
    digest: toBase64url(await sha256(bytes)),
    payloadDigest: toBase64url(await sha256(encoded)),
  };
}

/**
 * @param {CryptoKey} key
 * @param {Bytes} bytes
 * @param {Bytes} additionalData
 */
async function decrypt(key, bytes, additionalData) {
  const how = { name: "AES-GCM", iv: bytes.subarray(0, NONCE), additionalData };
  try {
    return new Uint8Array(await crypto.subtle.decrypt(how, key, bytes.subarray(NONCE)));
  } catch {
    throw new ContentError("key");
  }
}

/**
 * @param {Bytes} publicKey
 * @param {Bytes} signature
 * @param {Bytes} signed
 */
async function verify(publicKey, signature, signed) {
  try {
    const key = await crypto.subtle.importKey("raw", publicKey, "Ed25519", false, ["verify"]);
    return await crypto.subtle.verify("Ed25519", key, signature, signed);
  } catch {
    return false; // some browsers refuse to import what is no point of the curve
  }
}

/**
 * @template T
 * @param {ContentFault} code
 * @param {() => T} attempt
 * @returns {T}
 */
function orRefuse(code, attempt) {
  try {
    return attempt();
  } catch {
    throw new ContentError(code);
  }
}
