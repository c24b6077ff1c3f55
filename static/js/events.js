// Knows every word that client and server say to each other, and the shape of what the server says; knows no key.

import { isBytes } from "./bytes.js";

/** @import { Bytes } from "./bytes.js" */

/** What a client says. */
export const COMMANDS = Object.freeze({
  getPublicKey: "get_public_key",
  joinRoom: "join-room",
  sendMessage: "send_message",
  typing: "typing",
  updateUser: "update_user",
  setTimer: "set_timer",
  getChunk: "get_chunk",
  leaveRoom: "leave-room",
  disconnectUser: "disconnect_user",
});

/** What the server says. */
export const EVENTS = Object.freeze({
  sendPublicKey: "send_public_key",
  connected: "connected",
  newUser: "new_user",
  userChanged: "user_changed",
  userLeft: "user_left",
  getMessage: "get_message",
  typing: "typing",
  chunkWanted: "chunk_wanted",
  chunk: "chunk",
});

/** `{"error": code}` in an acknowledgement: a closed set. */
export const ERRORS = Object.freeze({
  badRequest: "bad-request",
  badEnvelope: "bad-envelope",
  wrongSite: "wrong-site",
  notInRoom: "not-in-room",
  tooLarge: "too-large",
  rateLimited: "rate-limited",
  roomFull: "room-full",
  serverFull: "server-full",
  unavailable: "unavailable",
  fileGone: "file-gone",
});

/**
 * @typedef {{member: string, user: string}} User
 * @typedef {{id: number, member: string, message: string}} Message
 * @typedef {{member: string, typing: string}} Typing
 * @typedef {{member: string}} Left
 * @typedef {{file: string, index: number}} Wanted
 * @typedef {{member: string, file: string, index: number, chunk?: Bytes, error?: unknown}} Chunk
 * @typedef {{
 *   member: string, epoch: string, first: number, last: number, ttl: number | null, timer: number, users: User[],
 *   log: Message[],
 * }} Connected
 */

// A snapshot is as long as the server likes; a log has at most 1,000 by protocol, a room is far smaller than this.
const MAX_USERS = 10_000;
const MAX_LOG = 1_000;

/**
 * @param {unknown} value
 * @returns {Connected}
 */
export function readConnected(value) {
  const { member, epoch, first, last, ttl, timer = 0, users, log } = fields(value, "connected");
  if (!isBytes(epoch, 16)) throw new TypeError("epoch");
  if (!isCount(last, 0) || !isCount(first, 1) || first > last + 1) throw new TypeError("first and last");
  if (ttl !== null && !(typeof ttl === "number" && ttl >= 0)) throw new TypeError("ttl");
  if (!isCount(timer, 0)) throw new TypeError("timer");
  if (!Array.isArray(users) || users.length > MAX_USERS) throw new TypeError("users");
  if (!Array.isArray(log) || log.length > MAX_LOG) throw new TypeError("log");
  const messages = log.map(readMessage);
  // All of the feed from `first` to `last`: a hole would be a message that nobody is told of.
  if (log.length !== last - first + 1 || messages.some(({ id }, at) => id !== first + at)) throw new TypeError("log");
  return { member: readMember(member), epoch, first, last, ttl, timer, users: users.map(readUser), log: messages };
}

/**
 * @param {unknown} value
 * @returns {User}
 */
export function readUser(value) {
  const { member, user } = fields(value, "user");
  return { member: readMember(member), user: readString(user) };
}

/**
 * @param {unknown} value
 * @returns {Message}
 */
export function readMessage(value) {
  const { id, member, message } = fields(value, "message");
  if (!isCount(id, 1)) throw new TypeError("id");
  return { id, member: readMember(member), message: readString(message) };
}

/**
 * @param {unknown} value
 * @returns {Typing}
 */
export function readTyping(value) {
  const { member, typing } = fields(value, "typing");
  return { member: readMember(member), typing: readString(typing) };
}

/**
 * @param {unknown} value
 * @returns {Left}
 */
export function readLeft(value) {
  return { member: readMember(fields(value, "left").member) };
}

/**
 * @param {unknown} value
 * @returns {Wanted}
 */
export function readWanted(value) {
  const { file, index } = fields(value, "wanted");
  if (!isBytes(file, 16)) throw new TypeError("file");
  if (!isCount(index, 0)) throw new TypeError("index");
  return { file, index };
}

/**
 * @param {unknown} value
 * @returns {Chunk}
 */
export function readChunk(value) {
  const { member, chunk, error } = fields(value, "chunk");
  const binary = chunk instanceof ArrayBuffer ? new Uint8Array(chunk) : undefined;
  return { member: readMember(member), ...readWanted(value), chunk: binary, error };
}

/**
 * @param {unknown} value
 * @param {string} what
 * @returns {Record<string, unknown>}
 */
function fields(value, what) {
  if (typeof value !== "object" || value === null) throw new TypeError(what);
  return /** @type {Record<string, unknown>} */ (value);
}

/** @param {unknown} value */
function readMember(value) {
  if (!isBytes(value, 32)) throw new TypeError("member");
  return value;
}

/** @param {unknown} value */
function readString(value) {
  if (typeof value !== "string") throw new TypeError("ciphertext");
  return value;
}

/**
 * @param {unknown} value
 * @param {number} least
 * @returns {value is number}
 */
function isCount(value, least) {
  return Number.isSafeInteger(value) && /** @type {number} */ (value) >= least;
}
