// Knows how a tab proves itself to the server and seals what it asks for; knows neither what it asks nor sockets.

import { concat, fingerprint, fromBase64, fromBase64url, toBase64url, uint, utf8 } from "./bytes.js";
import { hkdf, sha256 } from "./crypto.js";
import { COMMANDS } from "./events.js";

/**
 * @import { Bytes } from "./bytes.js"
 * @import { Room, Signer } from "./crypto.js"
 */

/**
 * @typedef {{key: CryptoKey, digest: Bytes, fingerprint: string, pem: string}} ServerKey
 * @typedef {{epoch: string, id: number} | null} Since
 * @typedef {{
 *   serverKey: ServerKey, socketId: string, site: Bytes, room: Room, signer: Signer, user: Bytes, since: Since,
 * }} Join
 * @typedef {{
 *   serverKey: Bytes, socketId: string, site: Bytes, address: Bytes, sessionKey: Bytes, member: Bytes, since: Bytes,
 *   user: Bytes,
 * }} Transcript serverKey and user by their SHA-256, since as `epoch || id` or empty
 */

const PEM = /^-----BEGIN PUBLIC KEY-----\s([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----\s*$/;

/**
 * Throws on anything but an RSA key of 2048 bits with the exponent 65537.
 * @param {string} pem
 * @returns {Promise<ServerKey>}
 */
export async function importServerKey(pem) {
  const der = fromBase64(PEM.exec(pem)?.[1] ?? "");
  const key = await crypto.subtle.importKey("spki", der, { name: "RSA-OAEP", hash: "SHA-256" }, false, ["encrypt"]);
  const { modulusLength, publicExponent } = /** @type {RsaHashedKeyAlgorithm} */ (key.algorithm);
  if (modulusLength !== 2048 || publicExponent.join() !== "1,0,1") throw new RangeError("not the protocol's RSA key");
  const digest = await sha256(der);
  return { key, digest, fingerprint: fingerprint(digest), pem };
}

/** The way to the server: everything sealed, each seal once and in order. Seal and send through one queue. */
export class Channel {
  #key;
  #counter = 0;

  /** @param {CryptoKey} key */
  constructor(key) {
    this.#key = key;
  }

  /** @param {Bytes} sessionKey 32 bytes */
  static async from(sessionKey) {
    const raw = await hkdf(sessionKey, "c2s");
    const key = await crypto.subtle.importKey("raw", raw, "AES-GCM", false, ["encrypt"]);
    raw.fill(0);
    return new Channel(key);
  }

  /**
   * @param {string} event
   * @param {Bytes} [body]
   * @returns {Promise<string>} base64url
   */
  async seal(event, body = new Uint8Array(0)) {
    const iv = concat(new Uint8Array(4), uint(this.#counter++, 8));
    const how = { name: "AES-GCM", iv, additionalData: utf8(event) };
    return toBase64url(new Uint8Array(await crypto.subtle.encrypt(how, this.#key, body)));
  }
}

/**
 * What both proofs of a join sign: nothing in it can be exchanged or used twice.
 * @param {Transcript} join
 */
export async function transcript({ serverKey, socketId, site, address, sessionKey, member, since, user }) {
  const fields = [utf8("chatsite/1 join"), utf8(socketId), serverKey, site, address, sessionKey, member, since, user];
  return sha256(concat(...fields.flatMap((field) => [uint(field.length, 2), field])));
}

/**
 * @param {Join} join `user` as the bytes of the room ciphertext, `site` the salt that the room was derived with
 * @returns {Promise<{request: {envelope: string, body: string}, channel: Channel}>}
 */
export async function makeJoin({ serverKey, socketId, site, room, signer, user, since }) {
  const sessionKey = crypto.getRandomValues(new Uint8Array(32));
  const digest = await transcript({
    serverKey: serverKey.digest,
    socketId,
    site,
    address: room.address,
    sessionKey,
    member: signer.publicKey,
    since: since === null ? new Uint8Array(0) : concat(fromBase64url(since.epoch), uint(since.id, 8)),
    user: await sha256(user),
  });
  const roomProof = await prove("room", room.identity, digest);
  const proof = await prove("member", signer.privateKey, digest);
  const opener = concat(room.address, sessionKey, roomProof);
  const envelope = new Uint8Array(await crypto.subtle.encrypt("RSA-OAEP", serverKey.key, opener));
  const channel = await Channel.from(sessionKey);
  sessionKey.fill(0);
  opener.fill(0);

  const body = {
    member: signer.member,
    proof: toBase64url(proof),
    user: toBase64url(user),
    since,
    site: toBase64url(site),
  };
  const sealed = await channel.seal(COMMANDS.joinRoom, utf8(JSON.stringify(body)));
  return { request: { envelope: toBase64url(envelope), body: sealed }, channel };
}

/**
 * @param {"room" | "member"} whose
 * @param {CryptoKey} key
 * @param {Bytes} digest
 */
async function prove(whose, key, digest) {
  const signed = concat(utf8(`chatsite/1 join ${whose}`), new Uint8Array(1), digest);
  return new Uint8Array(await crypto.subtle.sign("Ed25519", key, signed));
}
