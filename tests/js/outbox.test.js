// Holds the outbox to saying everything once, in order, whatever happens to lines and answers.

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { ERRORS } from "../../static/js/events.js";
import { Outbox } from "../../static/js/outbox.js";

/**
 * @import { TestContext } from "node:test"
 * @import { Answer, Draft, Head } from "../../static/js/outbox.js"
 * @typedef {{text: string, seq: number, prev: string, resolve: (answer: Answer) => void, reject: () => void}} Request
 */

const FEED_MS = 15_000;

/** An owner that writes down what the outbox asks of it and tells it. */
class Owner {
  /** @type {Request[]} what was sent, oldest first */
  requests = [];
  /** @type {string[]} */
  told = [];
  seals = 0;
  /** @type {[number, number]} */
  gap = [0, 0];

  /**
   * @param {Draft} draft
   * @param {Head} head
   */
  async seal({ wanted }, { seq, prev }) {
    const text = "text" in wanted ? wanted.text : "";
    this.seals++;
    const payload = `${text} ${seq + 1} ${prev || "-"}`;
    const bytes = new TextEncoder().encode(payload);
    return { ciphertext: "", bytes, digest: `digest of ${payload}`, payloadDigest: `hash${seq + 1}` };
  }

  /** @param {Uint8Array<ArrayBuffer>} bytes */
  send(bytes) {
    const [text, seq, prev] = new TextDecoder().decode(bytes).split(" ");
    return /** @type {Promise<Answer>} */ (
      new Promise((resolve, reject) => {
        const gone = () => reject(new Error("the line is gone"));
        this.requests.push({ text, seq: Number(seq), prev, resolve, reject: gone });
      })
    );
  }

  /** @param {number} id */
  missed(id) {
    return this.gap[0] <= id && id <= this.gap[1];
  }

  /** @param {string} id */
  sent(id) {
    this.told.push(`${id} sent`);
  }

  /** @param {string} id */
  failed(id) {
    this.told.push(`${id} failed`);
  }

  /** @param {string} why */
  slowed(why) {
    this.told.push(why ? `slowed: ${why}` : "not slowed");
  }

  stalled() {
    this.told.push("stalled");
  }
}

/** @param {TestContext} context */
function begin(context) {
  mock.timers.enable({ apis: ["setTimeout"] });
  context.after(() => mock.timers.reset());
  const owner = new Owner();
  return { owner, outbox: new Outbox(owner) };
}

/** Everything that waits for nothing but its turn has had it. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** @param {number} ms */
async function later(ms) {
  mock.timers.tick(ms);
  await settled();
}

/**
 * @param {Outbox} outbox
 * @param {string[]} texts
 */
async function write(outbox, ...texts) {
  for (const text of texts) outbox.add({ id: text, wanted: { text } });
  await settled();
}

/** @param {Outbox} outbox */
async function open(outbox) {
  outbox.opened();
  await settled();
}

/**
 * The last request's message comes by in the feed.
 * @param {Outbox} outbox
 * @param {Owner} owner
 */
async function comesBack(outbox, owner, shown = true) {
  const { text, seq, prev } = /** @type {Request} */ (owner.requests.at(-1));
  const digest = `digest of ${text} ${seq} ${prev}`;
  const waited = outbox.returned(/** @type {any} */ ({ digest, payloadDigest: `hash${seq}`, payload: { seq } }), shown);
  await settled();
  return waited;
}

/** @param {Owner} owner */
const texts = ({ requests }) => requests.map(({ text }) => text);

/**
 * The line breaks: nothing has an answer any more.
 * @param {Outbox} outbox
 * @param {Owner} owner
 */
async function breaks(outbox, owner) {
  outbox.closed();
  for (const { reject } of owner.requests) reject();
  await settled();
}

test("what is written while the line is closed waits, and goes when it opens", async (context) => {
  const { owner, outbox } = begin(context);
  await write(outbox, "a", "b");
  await later(100_000);
  assert.equal(owner.seals, 0);
  await open(outbox);
  assert.deepEqual(texts(owner), ["a"]);
  assert.deepEqual(owner.told, []);
});

test("one message is on its way at a time, each after the one before it has come back", async (context) => {
  const { owner, outbox } = begin(context);
  await open(outbox);
  await write(outbox, "a", "b", "c");
  owner.requests[0].resolve({ id: 7 });
  await settled();
  assert.deepEqual(texts(owner), ["a"]);
  assert.deepEqual(owner.told, []);
  for (const at of [1, 2, 3]) {
    assert.equal(await comesBack(outbox, owner), true);
    assert.equal(owner.told.length, at);
    owner.requests[at]?.resolve({ id: 7 + at });
    await settled();
  }
  assert.deepEqual(owner.requests.map(({ text, seq, prev }) => [text, seq, prev]), [
    ["a", 1, "-"],
    ["b", 2, "hash1"],
    ["c", 3, "hash2"],
  ]);
  assert.deepEqual(outbox.head, { seq: 3, prev: "hash3" });
  await later(100_000);
  assert.deepEqual(owner.told, ["a sent", "b sent", "c sent"]);
});

test("it goes on when the feed is quicker than the answer, and when the answer never comes", async (context) => {
  const { owner, outbox } = begin(context);
  await open(outbox);
  await write(outbox, "a", "b");
  await comesBack(outbox, owner);
  assert.deepEqual(texts(owner), ["a"]);
  owner.requests[0].reject();
  await settled();
  assert.deepEqual(texts(owner), ["a", "b"]);
  assert.deepEqual(owner.told, ["a sent"]);
});

test("after a lost answer the very same goes again, and what it follows stays as it was", async (context) => {
  const { owner, outbox } = begin(context);
  await open(outbox);
  await write(outbox, "a", "b");
  for (let times = 2; times < 5; times++) {
    await breaks(outbox, owner);
    await later(100_000);
    await open(outbox);
    assert.deepEqual(texts(owner), Array(times).fill("a"));
  }
  assert.equal(owner.seals, 1);
  await comesBack(outbox, owner);
  assert.deepEqual(owner.told, ["a sent"]);
});

test("a message that comes back while nothing is open need not go again", async (context) => {
  const { owner, outbox } = begin(context);
  await open(outbox);
  await write(outbox, "a", "b");
  await breaks(outbox, owner);
  await comesBack(outbox, owner);
  await open(outbox);
  assert.deepEqual(texts(owner), ["a", "b"]);
  assert.equal(owner.requests[1].seq, 2);
});

test("a line that breaks while a message is being sealed loses nothing", async (context) => {
  const { owner, outbox } = begin(context);
  const seal = owner.seal.bind(owner);
  let resolve = () => {};
  const unlocked = new Promise((done) => (resolve = () => done(undefined)));
  owner.seal = async (draft, head) => unlocked.then(() => seal(draft, head));
  await open(outbox);
  await write(outbox, "a");
  outbox.closed();
  outbox.opened();
  resolve();
  await settled();
  assert.deepEqual(texts(owner), ["a"]);
  assert.equal(owner.seals, 1);
});

for (const [error, wait] of /** @type {[string, number][]} */ ([
  [ERRORS.rateLimited, 1_000],
  [ERRORS.unavailable, 5_000],
]))
  test(`${error}: it waits, says so once, and goes on`, async (context) => {
    const { owner, outbox } = begin(context);
    await open(outbox);
    await write(outbox, "a", "b");
    for (let times = 1; times < 4; times++) {
      assert.deepEqual(texts(owner), Array(times).fill("a"));
      owner.requests[times - 1].resolve({ error });
      await settled();
      await later(wait - 1);
      assert.equal(owner.requests.length, times);
      await later(1);
    }
    assert.deepEqual(owner.told, [`slowed: ${error}`]);
    await comesBack(outbox, owner);
    owner.requests[3].resolve({ id: 1 });
    await settled();
    await comesBack(outbox, owner);
    assert.deepEqual(owner.told, [`slowed: ${error}`, "a sent", "b sent", "not slowed"]);
    assert.equal(owner.seals, 2);
  });

test("what is written while a slow server is waited for does not hasten it", async (context) => {
  const { owner, outbox } = begin(context);
  await open(outbox);
  await write(outbox, "a");
  owner.requests[0].resolve({ error: ERRORS.rateLimited });
  await settled();
  await write(outbox, "b", "c");
  assert.deepEqual(texts(owner), ["a"]);
  await later(1_000);
  assert.deepEqual(texts(owner), ["a", "a"]);
});

test("what waits for a slow server goes at once on a new line", async (context) => {
  const { owner, outbox } = begin(context);
  await open(outbox);
  await write(outbox, "a");
  owner.requests[0].resolve({ error: ERRORS.unavailable });
  await settled();
  await breaks(outbox, owner);
  await open(outbox);
  assert.equal(owner.requests.length, 2);
  await later(5_000);
  assert.equal(owner.requests.length, 2);
});

test("a refused message leaves no hole: the next one takes its place", async (context) => {
  const { owner, outbox } = begin(context);
  await open(outbox);
  await write(outbox, "a", "b", "c");
  await comesBack(outbox, owner);
  owner.requests[0].resolve({ id: 1 });
  await settled();
  owner.requests[1].resolve({ error: ERRORS.tooLarge });
  await settled();
  assert.deepEqual(owner.told, ["a sent", "b failed"]);
  assert.deepEqual(owner.requests.map(({ text, seq, prev }) => [text, seq, prev]).slice(1), [
    ["b", 2, "hash1"],
    ["c", 2, "hash1"],
  ]);
});

test("what was refused and comes by all the same keeps its place", async (context) => {
  const { owner, outbox } = begin(context);
  await open(outbox);
  await write(outbox, "a");
  owner.requests[0].resolve({ error: ERRORS.tooLarge });
  await settled();
  assert.equal(await comesBack(outbox, owner), false);
  await write(outbox, "b");
  assert.deepEqual(owner.requests.map(({ text, seq, prev }) => [text, seq, prev]), [
    ["a", 1, "-"],
    ["b", 2, "hash1"],
  ]);
});

test("a message that readers take for one too many has failed, and is followed by nothing", async (context) => {
  const { owner, outbox } = begin(context);
  await open(outbox);
  await write(outbox, "a", "b");
  assert.equal(await comesBack(outbox, owner, false), true);
  owner.requests[0].resolve({ id: 1 });
  await settled();
  assert.deepEqual(owner.told, ["a failed"]);
  assert.deepEqual(outbox.head, { seq: 0, prev: "" });
});

test("a known message that lies in a gap of the feed counts as sent", async (context) => {
  const { owner, outbox } = begin(context);
  await open(outbox);
  await write(outbox, "a", "b");
  await breaks(outbox, owner);
  owner.gap = [4, 6];
  await open(outbox);
  owner.requests[1].resolve({ id: 5 });
  await settled();
  assert.deepEqual(owner.told, ["a sent"]);
  assert.deepEqual(owner.requests.map(({ text, seq, prev }) => [text, seq, prev]).slice(2), [["b", 2, "hash1"]]);
});

test("any other number is the server's word only: the message has to come by", async (context) => {
  const { owner, outbox } = begin(context);
  await open(outbox);
  await write(outbox, "a");
  owner.gap = [4, 6];
  for (const id of [3, 7, "5", null, undefined]) {
    owner.requests.at(-1)?.resolve({ id });
    await settled();
    assert.deepEqual(owner.told.filter((word) => word !== "stalled"), []);
    await breaks(outbox, owner);
    await open(outbox);
  }
});

for (const answer of [{ id: 1 }, {}, { error: ERRORS.notInRoom }, { error: ERRORS.badEnvelope }])
  test(`${JSON.stringify(answer)} and nothing in the feed: the line is no good`, async (context) => {
    const { owner, outbox } = begin(context);
    await open(outbox);
    await write(outbox, "a");
    owner.requests[0].resolve(answer);
    await settled();
    await later(FEED_MS - 1);
    assert.deepEqual(owner.told, []);
    await later(1);
    assert.deepEqual(owner.told, ["stalled"]);
    await breaks(outbox, owner);
    await open(outbox);
    assert.deepEqual(texts(owner), ["a", "a"]);
  });

test("a line that has broken by itself is not called no good", async (context) => {
  const { owner, outbox } = begin(context);
  await open(outbox);
  await write(outbox, "a");
  owner.requests[0].resolve({ id: 1 });
  await settled();
  outbox.closed();
  await later(FEED_MS);
  assert.deepEqual(owner.told, []);
});

test("what comes by again does not take the place of what came after", async (context) => {
  const { owner, outbox } = begin(context);
  await open(outbox);
  await write(outbox, "a");
  owner.requests[0].resolve({ id: 1 });
  await comesBack(outbox, owner);
  await write(outbox, "b");
  owner.requests[1].resolve({ id: 2 });
  await comesBack(outbox, owner);
  owner.requests.push(owner.requests[0]);
  assert.equal(await comesBack(outbox, owner), false);
  assert.deepEqual(outbox.head, { seq: 2, prev: "hash2" });
});

test("an answer that comes when the message has come back by another line changes nothing", async (context) => {
  const { owner, outbox } = begin(context);
  await open(outbox);
  await write(outbox, "a", "b");
  await comesBack(outbox, owner);
  owner.requests[0].resolve({ error: ERRORS.tooLarge });
  await settled();
  assert.deepEqual(owner.told, ["a sent"]);
  assert.deepEqual(texts(owner), ["a", "b"]);
});
