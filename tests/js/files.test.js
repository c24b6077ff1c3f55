// Holds files to what they promise: the same bytes or none, whatever server, line and owner do on the way.

import assert from "node:assert/strict";
import { test } from "node:test";

import { fromBase64url, toBase64url } from "../../static/js/bytes.js";
import { CHUNK, Files } from "../../static/js/files.js";

const OWNER = toBase64url(new Uint8Array(32).fill(7));
const whenever = new AbortController().signal;

/** @param {number} size */
const some = (size) => new Uint8Array(size).map((_, at) => (at * 31 + (at >> 8)) & 255);

/** @typedef {{chunk?: any, error?: unknown, refused?: string}} Said `refused`: the request itself was */

/**
 * An owner and a reader, and a server between them.
 * @param {(number: number, said: Said) => Said | null} [tamper] null: the line is gone
 */
function between(tamper = (_, said) => said) {
  const owner = new Files(async () => ({}), () => true);
  const here = { owner: true };
  /** @type {number[]} */
  const asked = [];
  const reader = new Files(
    async (body) => {
      assert.equal(toBase64url(body.slice(0, 32)), OWNER);
      const file = toBase64url(body.slice(32, 48));
      const index = new DataView(body.buffer, 48).getUint32(0);
      asked.push(index);
      const said = tamper(asked.length - 1, await owner.answer({ file, index }));
      if (said === null) throw new Error("the line is gone");
      if ("refused" in said) return { error: said.refused };
      queueMicrotask(() => reader.chunk({ member: OWNER, file, index, ...said }));
      return {};
    },
    () => here.owner,
  );
  return { owner, reader, asked, here };
}

test("a file arrives as it was, whatever its length", async () => {
  for (const size of [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 5, 9 * CHUNK]) {
    const { owner, reader, asked } = between();
    const ref = await owner.offer(new Blob([some(size)], { type: "image/png" }));
    assert.deepEqual([ref.length, ref[1], ref[2]], [5, size, "image/png"]);
    /** @type {number[]} */
    const told = [];
    const whole = await reader.whole(OWNER, ref, (part) => told.push(part), whenever);
    assert.deepEqual(new Uint8Array(await whole.arrayBuffer()), some(size));
    assert.deepEqual([...asked].sort((one, other) => one - other), [...asked.keys()]);
    assert.equal(told.length, Math.ceil(size / CHUNK));
    if (size) assert.equal(told.at(-1), 1);
  }
});

test("what is sent is of one size and says nothing of the length", async () => {
  const { owner } = between();
  const [file] = await owner.offer(new Blob([some(CHUNK + 1)]));
  for (const index of [0, 1]) assert.equal((await owner.answer({ file, index })).chunk?.length, CHUNK + 16);
  assert.deepEqual(await owner.answer({ file, index: 2 }), { error: "file-gone" });
  owner.withdraw(file);
  assert.deepEqual(await owner.answer({ file, index: 0 }), { error: "file-gone" });
});

test("a chunk opens in its own place only", async () => {
  const { owner, reader } = between((_, said) => said);
  const ref = await owner.offer(new Blob([some(2 * CHUNK)]));
  const other = await owner.answer({ file: ref[0], index: 1 });
  const moved = between(() => other);
  await assert.rejects(moved.reader.whole(OWNER, ref, () => {}, whenever), { code: "damaged" });
  const bent = between((_, { chunk }) => ({ chunk: chunk?.map((/** @type {number} */ byte, /** @type {number} */ at) => byte ^ Number(at === 9)) }));
  const mine = await bent.owner.offer(new Blob([some(10)]));
  await assert.rejects(bent.reader.whole(OWNER, mine, () => {}, whenever), { code: "damaged" });
  // Whoever knows the key can seal another file under it, and not sign for it.
  const [id, size, type, key] = ref;
  const forged = /** @type {typeof ref} */ ([id, size, type, key, toBase64url(new Uint8Array(32))]);
  await assert.rejects(reader.whole(OWNER, forged, () => {}, whenever), { code: "damaged" });
});

test("a line that breaks is waited for, and what was here is not asked for again", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const wrong = [() => null, () => ({ refused: "rate-limited" }), () => ({ error: "unavailable" }), () => ({ refused: "not-in-room" })];
  const { owner, reader, asked } = between((number, said) => (wrong[number] ?? (() => said))());
  const ref = await owner.offer(new Blob([some(6 * CHUNK)]));
  const coming = reader.whole(OWNER, ref, () => {}, whenever);
  for (let turn = 0; turn < 100 && asked.length < 10; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    context.mock.timers.tick(1_000);
  }
  assert.deepEqual(new Uint8Array(await (await coming).arrayBuffer()), some(6 * CHUNK));
  assert.equal(asked.length, 6 + wrong.length);
});

test("what goes with its owner is gone", async () => {
  for (const said of [{ error: "file-gone" }, { refused: "file-gone" }, { refused: "bad-request" }]) {
    const { owner, reader } = between(() => said);
    const ref = await owner.offer(new Blob([some(10)]));
    await assert.rejects(reader.whole(OWNER, ref, () => {}, whenever), { code: "gone" });
  }
  const { owner, reader, here } = between(() => ({ error: "unavailable" }));
  here.owner = false;
  const ref = await owner.offer(new Blob([some(10)]));
  await assert.rejects(reader.whole(OWNER, ref, () => {}, whenever), { code: "gone" });
});

test("who does not want it any more asks for nothing more", async () => {
  const stop = new AbortController();
  const { owner, reader, asked } = between((number, said) => {
    if (number === 3) stop.abort();
    return said;
  });
  const ref = await owner.offer(new Blob([some(50 * CHUNK)]));
  await assert.rejects(reader.whole(OWNER, ref, () => {}, stop.signal), { name: "AbortError" });
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(asked.length <= 8, String(asked.length));
});

test("what is lost with the line ends at once", async () => {
  const reader = new Files(async () => ({}), () => false);
  const ref = await reader.offer(new Blob([some(10)]));
  const coming = reader.whole(OWNER, ref, () => {}, whenever);
  await new Promise((resolve) => setImmediate(resolve));
  reader.interrupted();
  await assert.rejects(coming, { code: "gone" });
  // What nobody asked for is nothing.
  reader.chunk({ member: OWNER, file: ref[0], index: 0, chunk: fromBase64url(OWNER) });
});
