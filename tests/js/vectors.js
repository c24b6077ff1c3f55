// Knows how the browser's modules are held against tests/vectors; runs in Node and in a page alike, so it is given both
// the modules and the vectors.

/**
 * @typedef {{
 *   bytes: typeof import("../../static/js/bytes.js"),
 *   names: typeof import("../../static/js/names.js"),
 *   crypto: typeof import("../../static/js/crypto.js"),
 *   envelope: typeof import("../../static/js/envelope.js"),
 *   deriveSecret: (name: string, salt: Uint8Array<ArrayBuffer>) => Promise<Uint8Array<ArrayBuffer>>,
 * }} Modules
 */

/** The names of the files in tests/vectors, without their ending. */
export const FILES = Object.freeze(["base64url", "names", "kdf", "rooms", "signers", "content", "join"]);

/** @param {string} hex */
const unhex = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (byte) => parseInt(byte, 16));

/**
 * @param {Record<string, any>} vectors the contents of all files, by their names
 * @param {Modules} modules
 * @returns {Promise<{checked: number, failures: string[]}>}
 */
export async function runVectors(vectors, modules) {
  const report = { checked: 0, failures: /** @type {string[]} */ ([]) };
  for (const file of FILES) {
    for await (const [about, found, expected] of CHECKS[file](vectors[file], modules)) {
      report.checked++;
      const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
      if (a !== b) report.failures.push(`${file}: ${about}: ${a} instead of ${b}`);
    }
  }
  return report;
}

/** @typedef {AsyncGenerator<[about: string, found: unknown, expected: unknown]>} Checks */

/** @type {Record<string, (vectors: any, modules: Modules) => Checks>} */
const CHECKS = {
  async *base64url({ cases }, { bytes }) {
    for (const { in: spelling, out, refused } of cases) {
      const found = outcome(() => bytes.hex(bytes.fromBase64url(spelling)));
      yield [JSON.stringify(spelling), found.out, out];
      if (!refused) yield [`back to ${spelling}`, bytes.toBase64url(unhex(out)), spelling];
    }
  },

  async *names({ room, username }, { names }) {
    for (const { in: typed, ...expected } of room)
      yield [JSON.stringify(typed), outcome(() => names.normalizeRoom(typed)), expected];
    for (const { in: typed, ...expected } of username)
      yield [JSON.stringify(typed), outcome(() => names.normalizeUsername(typed)), expected];
  },

  async *kdf({ cases }, { bytes, crypto, deriveSecret }) {
    for (const { name, site_salt, kdf_salt, secret } of cases) {
      const salt = await crypto.kdfSalt(unhex(site_salt));
      yield [`salt of ${name}`, bytes.hex(salt), kdf_salt];
      yield [`secret of ${name}`, bytes.hex(await deriveSecret(name, salt)), secret];
    }
  },

  async *rooms({ cases }, { bytes, crypto }) {
    for (const { secret, address, key, fingerprint, signed, signature } of cases) {
      const used = unhex(secret);
      const room = await crypto.deriveRoom(used);
      yield ["secret used up", bytes.hex(used), "00".repeat(32)];
      yield ["address", bytes.hex(room.address), address];
      yield ["fingerprint", room.fingerprint, fingerprint];
      yield ["key", bytes.hex(await crypto.rawRoomKey(unhex(secret))), key];
      const made = await globalThis.crypto.subtle.sign("Ed25519", room.identity, unhex(signed));
      yield ["signature", bytes.hex(new Uint8Array(made)), signature];
    }
  },

  async *signers({ tags, keys }, { crypto }) {
    for (const { member, letters, hue } of tags) yield [member, await crypto.describeSigner(member), { letters, hue }];
    for (const { about, key, safe } of keys) yield [about, crypto.isSafeKey(unhex(key)), safe];
  },

  async *content({ room_secret, accepted, refused }, { crypto }) {
    const room = await crypto.deriveRoom(unhex(room_secret));
    for (const { about, kind, ciphertext, member, payload, digest, payload_digest } of accepted) {
      const opened = await crypto.openContent(room, kind, ciphertext);
      yield [about, sorted(opened.payload), sorted(payload)];
      yield [about, [opened.member, opened.digest, opened.payloadDigest], [member, digest, payload_digest]];
    }
    for (const { about, kind, ciphertext, code } of refused) {
      const found = await crypto.openContent(room, kind, ciphertext).then(() => "opened", ({ code }) => code);
      yield [about, found, code];
    }
  },

  async *join(vector, { bytes, crypto, envelope }) {
    const { pem, request, since } = vector;
    const room = await crypto.deriveRoom(unhex(vector.room_secret));
    const serverKey = await envelope.importServerKey(pem);
    yield ["server key", [bytes.hex(serverKey.digest), serverKey.fingerprint], [vector.server_digest, vector.fingerprint]];

    const fields = {
      serverKey: serverKey.digest,
      socketId: vector.socket_id,
      site: unhex(vector.site),
      address: room.address,
      sessionKey: unhex(vector.session_key),
      member: bytes.fromBase64url(vector.member),
      since: bytes.concat(bytes.fromBase64url(since.epoch), bytes.uint(since.id, 8)),
      user: await crypto.sha256(bytes.fromBase64url(vector.user)),
    };
    const transcript = await envelope.transcript(fields);
    yield ["transcript", bytes.hex(transcript), vector.transcript];
    const without = await envelope.transcript({ ...fields, since: new Uint8Array(0) });
    yield ["transcript without since", bytes.hex(without), vector.transcript_without_since];

    const { subtle } = globalThis.crypto;
    const proven = bytes.concat(bytes.utf8("chatsite/1 join room"), new Uint8Array(1), transcript);
    const roomProof = new Uint8Array(await subtle.sign("Ed25519", room.identity, proven));
    yield ["room proof", bytes.hex(roomProof), vector.room_proof];
    const key = await importPrivateKey(vector.private_key_for_tests_only, bytes);
    const opened = new Uint8Array(await subtle.decrypt("RSA-OAEP", key, bytes.fromBase64url(request.envelope)));
    yield ["envelope", bytes.hex(opened), bytes.hex(bytes.concat(room.address, fields.sessionKey, roomProof))];

    const channel = await envelope.Channel.from(fields.sessionKey);
    const proof = bytes.toBase64url(unhex(vector.member_proof));
    const body = { member: vector.member, proof, user: vector.user, since, site: bytes.toBase64url(fields.site) };
    yield ["body", await channel.seal("join-room", bytes.utf8(JSON.stringify(body))), request.body];
    for (const { counter, event, body: plain, sealed } of vector.sealed)
      yield [`counter ${counter}`, await channel.seal(event, unhex(plain)), sealed];
  },
};

/** @param {() => string} attempt */
function outcome(attempt) {
  try {
    return { out: attempt() };
  } catch (error) {
    return { refused: /** @type {{code: unknown}} */ (error).code };
  }
}

/** @param {object} fields */
function sorted(fields) {
  return Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1));
}

/**
 * @param {string} pem
 * @param {Modules["bytes"]} bytes
 */
function importPrivateKey(pem, bytes) {
  const der = bytes.fromBase64(pem.replace(/-----.*-----/g, ""));
  return crypto.subtle.importKey("pkcs8", der, { name: "RSA-OAEP", hash: "SHA-256" }, false, ["decrypt"]);
}
