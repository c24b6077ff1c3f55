// Holds the derivation to ending its worker, whatever that does; the secrets themselves stand in the vectors.

import assert from "node:assert/strict";
import { test } from "node:test";

import { deriveSecret } from "../../static/js/kdf.js";

/**
 * @param {(worker: EventTarget) => void} behave once it is asked
 */
async function derive(behave) {
  const ended = { times: 0 };
  const worker = Object.assign(new EventTarget(), {
    postMessage: () => behave(worker),
    terminate: () => void ended.times++,
  });
  const secret = await deriveSecret("worker.js", "room-a", new Uint8Array(16), () => worker).catch((error) => error);
  assert.equal(ended.times, 1);
  return secret;
}

/** @param {unknown} data */
const answering = (data) => (/** @type {EventTarget} */ worker) => worker.dispatchEvent(new MessageEvent("message", { data }));

test("the secret comes and the worker ends", async () => {
  const secret = new Uint8Array(32).fill(7);
  assert.equal(await derive(answering({ secret })), secret);
});

test("whatever else happens is an error and the worker ends", async () => {
  for (const data of [{}, { secret: "x" }, { secret: new Uint8Array(31) }]) assert.ok((await derive(answering(data))) instanceof Error);
  for (const event of ["error", "messageerror"])
    assert.ok((await derive((worker) => worker.dispatchEvent(new Event(event)))) instanceof Error);
  const broken = () => {
    throw new Error("no worker");
  };
  assert.ok((await derive(broken)) instanceof Error);
});
