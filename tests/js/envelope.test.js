// Holds the envelope to the keys it takes; what it makes is opened by the reference in Python.

import assert from "node:assert/strict";
import { test } from "node:test";
import { generateKeyPairSync } from "node:crypto";

import { Channel, importServerKey } from "../../static/js/envelope.js";

/**
 * @param {number} modulusLength
 * @param {number} publicExponent
 */
function rsaPem(modulusLength, publicExponent) {
  return generateKeyPairSync("rsa", { modulusLength, publicExponent }).publicKey.export({ type: "spki", format: "pem" });
}

test("the server's key is RSA of 2048 bits, in the one form of PEM", async () => {
  const pem = String(rsaPem(2048, 65_537));
  assert.match((await importServerKey(pem)).fingerprint, /^([0-9A-F]{4} ){15}[0-9A-F]{4}$/);
  const { publicKey } = generateKeyPairSync("ed25519");
  const others = [
    rsaPem(1024, 65_537),
    rsaPem(2048, 3),
    publicKey.export({ type: "spki", format: "pem" }),
    `x${pem}`,
    pem + pem,
    pem.replaceAll("PUBLIC", "PRIVATE"),
    "",
  ];
  for (const other of others) await assert.rejects(importServerKey(String(other)));
});

test("a channel never repeats itself", async () => {
  const channel = await Channel.from(new Uint8Array(32));
  const seals = await Promise.all(["typing", "typing", "send_message"].map((event) => channel.seal(event)));
  assert.equal(new Set(seals).size, 3);
});
