// Holds the connection to coming back: by which transport, how soon, and without a goodbye.

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { toBase64url } from "../../static/js/bytes.js";
import { Client, makeLine } from "../../static/js/client.js";
import { deriveRoom, makeSigner, sealContent } from "../../static/js/crypto.js";
import { EVENTS } from "../../static/js/events.js";

/**
 * @import { TestContext } from "node:test"
 * @typedef {(...args: any[]) => void} Listener
 */

const ANSWER_MS = 20_000;
const AWAKE_MS = 5_000;
const BUSY_MS = 4_000;

/** The library's socket, as far as the client knows it. */
class Socket {
  /** @type {Map<string, Listener>} */
  #listeners = new Map();
  /** @type {string[]} */
  did = [];
  /** @type {Listener | undefined} what waits for an answer to a question with a limit */
  asked;
  id = "socket";
  active = true;
  connected = false;
  /** @type {unknown[]} */
  sendBuffer = [];
  io = {
    opts: makeLine(),
    engine: { close: () => this.lose("forced close", "close") },
  };

  /**
   * @param {string} event
   * @param {Listener} listener
   */
  on(event, listener) {
    this.#listeners.set(event, listener);
  }

  /**
   * @param {string} event
   * @param {unknown[]} args
   */
  hear(event, ...args) {
    this.#listeners.get(event)?.(...args);
  }

  connect() {
    this.did.push("connect");
  }

  disconnect() {
    this.did.push(this.connected ? "goodbye" : "disconnect");
    this.lose("io client disconnect");
  }

  open() {
    this.connected = true;
    this.hear("connect");
  }

  /**
   * @param {string} reason
   * @param {string} [did]
   */
  lose(reason, did) {
    if (did) this.did.push(did);
    if (!this.connected) return;
    this.connected = false;
    this.hear("disconnect", reason);
  }

  /** @param {string} _event @param {unknown} _request @param {Listener} [answered] */
  emit(_event, _request, answered) {
    this.did.push("join");
    this.asked = answered;
  }

  /** @param {number} ms */
  timeout(ms) {
    assert.equal(ms, AWAKE_MS);
    return {
      emit: (/** @type {string} */ event, /** @type {Listener} */ answered) => {
        this.did.push(event);
        this.asked = answered;
      },
    };
  }

  get first() {
    return this.io.opts.transports?.[0];
  }
}

/** @param {TestContext} context */
async function begin(context) {
  mock.timers.enable({ apis: ["setTimeout"] });
  context.after(() => mock.timers.reset());
  const room = await deriveRoom(new Uint8Array(32).fill(3));
  const signer = await makeSigner();
  const user = () => sealContent(room, signer, "user", { name: "Somebody", at: 1, seq: 0, prev: "" });
  const socket = new Socket();
  /** @type {string[]} */
  const told = [];
  const nothing = () => {};
  const self = { room, signer, site: new Uint8Array(16), user, since: () => null };
  const client = new Client(/** @type {any} */ (socket), self, {
    status: (status, why) => told.push(why ? `${status}: ${why}` : status),
    ...{ serverKey: nothing, connected: nothing, user: nothing, userLeft: nothing, message: nothing, typing: nothing },
    ...{ chunk: nothing, wanted: async () => ({}) },
  });
  client.start();
  return { client, socket, told, member: signer.member };
}

/** The server sends its key; answers when the client has asked to join. @param {Socket} socket */
async function ask(socket) {
  const size = { modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) };
  const algorithm = { name: "RSA-OAEP", hash: "SHA-256", ...size };
  const { publicKey } = await crypto.subtle.generateKey(algorithm, true, ["encrypt", "decrypt"]);
  const spki = Buffer.from(await crypto.subtle.exportKey("spki", publicKey)).toString("base64");
  socket.open();
  socket.hear(EVENTS.sendPublicKey, `-----BEGIN PUBLIC KEY-----\n${spki}\n-----END PUBLIC KEY-----\n`);
  while (!socket.did.includes("join")) await new Promise((resolve) => setImmediate(resolve));
}

/** A client that is in its room. @param {TestContext} context */
async function joined(context) {
  const begun = await begin(context);
  const { socket, told, member } = begun;
  await ask(socket);
  const epoch = toBase64url(new Uint8Array(16));
  socket.hear(EVENTS.connected, { member, epoch, first: 1, last: 0, ttl: null, users: [], log: [] });
  assert.equal(told.at(-1), "joined");
  socket.did.length = told.length = 0;
  return begun;
}

test("a WebSocket first; what is swallowed lets the other go first, then none is there", async (context) => {
  const { socket, told } = await begin(context);
  assert.equal(socket.first, "websocket");
  socket.hear("connect_error", new Error("timeout"));
  assert.equal(socket.first, "polling");
  assert.deepEqual(told, ["connecting"]);
  socket.hear("connect_error", new Error("timeout"));
  assert.equal(socket.first, "websocket");
  assert.deepEqual(told, ["connecting", "offline"]);
  socket.hear("connect_error", new Error("websocket error"));
  assert.equal(socket.first, "websocket");
  assert.deepEqual(told, ["connecting", "offline", "offline"]);
});

test("a server that refuses the socket itself is not asked again", async (context) => {
  const { socket, told } = await begin(context);
  socket.active = false;
  socket.hear("connect_error", new Error("no"));
  assert.deepEqual(told, ["connecting", "stopped: refused"]);
});

test("a connection on which nothing comes is tried by the other transport, and given up at last", async (context) => {
  const { socket, told } = await begin(context);
  for (const next of ["polling", "websocket"]) {
    socket.open();
    mock.timers.tick(ANSWER_MS);
    assert.equal(socket.first, next);
    assert.deepEqual(socket.did.splice(0).slice(-2), ["goodbye", "connect"]);
  }
  socket.open();
  mock.timers.tick(ANSWER_MS);
  assert.equal(told.at(-1), "stopped: bad-envelope");
  assert.deepEqual(socket.did, ["goodbye"]);
});

for (const error of ["rate-limited", "unavailable"]) {
  test(`who is told ${error} tries again at a time of its own, and not after leaving`, async (context) => {
    const { client, socket, told } = await begin(context);
    await ask(socket);
    socket.asked?.({ error });
    assert.equal(told.at(-1), `offline: ${error}`);
    socket.did.length = 0;
    mock.timers.tick(BUSY_MS - 1);
    assert.deepEqual(socket.did, []);
    mock.timers.tick(BUSY_MS + 1);
    assert.deepEqual(socket.did, ["connect"]);
    await ask(socket);
    socket.asked?.({ error });
    client.stop();
    socket.did.length = 0;
    mock.timers.tick(2 * BUSY_MS);
    assert.deepEqual(socket.did, []);
  });
}

test("trying again is no leaving: nothing is said to the server", async (context) => {
  const { client, socket, told } = await joined(context);
  client.restart();
  assert.deepEqual(socket.did, ["close", "disconnect", "connect"]);
  assert.equal(told.at(-1), "connecting");
});

test("a page that closes says goodbye", async (context) => {
  const { client, socket } = await joined(context);
  client.stop();
  assert.deepEqual(socket.did, ["goodbye"]);
});

test("awake again: a good line stays, a dead one is given up", async (context) => {
  const { client, socket } = await joined(context);
  client.wake();
  assert.deepEqual(socket.did, ["get_public_key"]);
  socket.asked?.(null, { error: "rate-limited" });
  assert.deepEqual(socket.did, ["get_public_key"]);
  client.wake();
  socket.asked?.(new Error("nothing came"));
  assert.deepEqual(socket.did.slice(2), ["close", "disconnect", "connect"]);
});

test("awake again: what a line that is gone would have answered does not touch the next", async (context) => {
  const { client, socket } = await joined(context);
  client.wake();
  socket.lose("transport close");
  socket.open();
  socket.asked?.(new Error("disconnected"));
  assert.deepEqual(socket.did, ["get_public_key"]);
});

test("awake again: without a line the next attempt is now; what is under way or stopped stays so", async (context) => {
  const { client, socket, told } = await joined(context);
  socket.lose("transport close");
  assert.deepEqual(told, ["offline"]);
  client.wake();
  assert.deepEqual(socket.did.splice(0), ["close", "disconnect", "connect"]);
  client.wake();
  socket.open();
  client.wake();
  assert.deepEqual(socket.did, []);
  socket.lose("io server disconnect");
  assert.equal(told.at(-1), "stopped: ended");
  client.wake();
  assert.deepEqual(socket.did, []);
});
