// Holds the room cryptography to its promises where the vectors cannot: chance, extremes, what never leaves a key.

import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";

import { fromBase64url, toBase64url } from "../../static/js/bytes.js";
import * as crypto from "../../static/js/crypto.js";
import { importServerKey, makeJoin } from "../../static/js/envelope.js";
import { integer, pick, randomBytes } from "./random.js";

/** @import { Payloads } from "../../static/js/payload.js" */

/** @type {Payloads["message"]} */
const SAID = { name: "Ann", text: "Hello", at: 1_790_000_000_000, seq: 1, prev: "", seen: null };
const DIGEST = "A".repeat(43);

const room = await crypto.deriveRoom(randomBytes(32));
const signer = await crypto.makeSigner();

test("this engine has everything, and another one is told what it lacks", async (context) => {
  assert.deepEqual(await crypto.unsupported(), []);
  context.mock.method(globalThis.crypto.subtle, "importKey", async (/** @type {string} */ format) => {
    if (format === "pkcs8") throw new Error("no Ed25519 here");
  });
  assert.deepEqual(await crypto.unsupported(), ["Ed25519"]);
  context.mock.getter(globalThis, "crypto", () => ({}));
  assert.deepEqual(await crypto.unsupported(), ["WebCrypto"]);
});

test("no private key can be taken out", async () => {
  for (const key of [room.identity, room.key, signer.privateKey]) assert.equal(key.extractable, false);
});

/** @param {Payloads["message"]} payload */
async function sealAndOpen(payload) {
  const sealed = await crypto.sealContent(room, signer, "message", payload);
  return { sealed, opened: await crypto.openContent(room, "message", sealed.ciphertext) };
}

test("secrets are zeroed when they have been used", async (context) => {
  const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const serverKey = await importServerKey(String(publicKey.export({ type: "spki", format: "pem" })));
  /** @type {Uint8Array[]} */
  const held = [];
  const { subtle } = globalThis.crypto;
  const watch = (/** @type {"importKey" | "deriveBits"} */ name, /** @type {(given: any[], made: any) => any} */ what) => {
    const original = subtle[name].bind(subtle);
    context.mock.method(subtle, name, async (/** @type {any[]} */ ...given) => {
      const made = await Reflect.apply(original, subtle, given);
      held.push(new Uint8Array(what(given, made)));
      return made;
    });
  };
  watch("deriveBits", (_given, made) => made);
  watch("importKey", ([, data]) => data.buffer);
  await crypto.deriveRoom(randomBytes(32));
  assert.equal(held.length, 7);
  await makeJoin({ serverKey, socketId: "socket", site: randomBytes(16), room, signer, user: randomBytes(540), since: null });
  assert.equal(held.length, 10);
  for (const bytes of held) assert.deepEqual(bytes, new Uint8Array(bytes.length));
});

test("what is sealed opens, and says who signed it", async () => {
  for (const length of [0, 1, 56, 57, 58, 300, 2_000, 10_000]) {
    /** @type {Payloads["message"]} */
    const payload = { ...SAID, text: "x".repeat(length) };
    const { sealed, opened } = await sealAndOpen(payload);
    const { digest, payloadDigest } = sealed;
    assert.deepEqual(opened, { member: signer.member, payload, digest, payloadDigest });
    assert.deepEqual(fromBase64url(sealed.ciphertext), sealed.bytes);
    assert.ok(Number.isInteger(Math.log2(sealed.bytes.length - 28)));
  }
});

test("every legal text fits, however it is escaped", async () => {
  for (const text of ["\0".repeat(10_000), "𝄞".repeat(10_000), '"'.repeat(10_000)])
    assert.deepEqual((await sealAndOpen({ ...SAID, text })).opened.payload, { ...SAID, text });
});

test("users and typing all have one size", async () => {
  const head = { at: 8, seq: 1, prev: DIGEST };
  const sizes = await Promise.all([
    crypto.sealContent(room, signer, "user", { ...head, name: "Ann" }),
    crypto.sealContent(room, signer, "user", { ...head, name: "𝄞".repeat(32) }),
    crypto.sealContent(room, signer, "typing", { ...head, on: true }),
  ]);
  assert.deepEqual(sizes.map(({ bytes }) => bytes.length), [540, 540, 540]);
});

test("no two seals of one payload are alike", async () => {
  const [a, b] = await Promise.all([1, 2].map(() => crypto.sealContent(room, signer, "message", SAID)));
  assert.notEqual(a.ciphertext, b.ciphertext);
  assert.equal(a.payloadDigest, b.payloadDigest);
});

test("any change of one bit is refused", async () => {
  const { bytes } = await crypto.sealContent(room, signer, "message", SAID);
  for (let round = 0; round < 200; round++) {
    const changed = bytes.slice();
    changed[integer(bytes.length)] ^= 1 << integer(8);
    await assert.rejects(crypto.openContent(room, "message", toBase64url(changed)), { code: "key" });
  }
});

test("what a reader would refuse is not sealed", async () => {
  const wrong = [
    { ...SAID, name: "An" },
    { ...SAID, text: "x".repeat(10_001) },
    { ...SAID, text: "\ud800" },
    { ...SAID, at: 253_402_300_800_000 },
    { ...SAID, seq: 2 },
    { ...SAID, prev: DIGEST },
  ];
  for (const payload of wrong) await assert.rejects(crypto.sealContent(room, signer, "message", payload), { code: "payload" });
});

test("what is larger than any class is not even tried", async () => {
  const large = toBase64url(new Uint8Array(131_072 + 28));
  await assert.rejects(crypto.openContent(room, "message", large), { code: "size" });
});

test("what is not even a text is refused", async () => {
  for (const value of [null, undefined, 7, {}, [], ["AA"]]) {
    const kind = pick(/** @type {const} */ (["user", "message", "typing"]));
    await assert.rejects(crypto.openContent(room, kind, /** @type {any} */ (value)), { code: "encoding" });
  }
});
