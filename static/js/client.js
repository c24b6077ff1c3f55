// Knows the connection: how a tab gets in, what it asks through its sealed channel, how it comes back after a broken
// line; knows nothing of what is said in the room, nor of the page.

import { importServerKey, makeJoin } from "./envelope.js";
import {
  COMMANDS,
  ERRORS,
  EVENTS,
  readChunk,
  readConnected,
  readLeft,
  readMessage,
  readTyping,
  readUser,
  readWanted,
} from "./events.js";

/**
 * @import { ManagerOptions, Socket, SocketOptions } from "socket.io-client"
 * @import { Bytes } from "./bytes.js"
 * @import { Room, Sealed, Signer } from "./crypto.js"
 * @import { Channel, ServerKey, Since } from "./envelope.js"
 * @import { Chunk, Connected, Left, Message, Typing, User, Wanted } from "./events.js"
 * @import { Answer } from "./outbox.js"
 */
/**
 * @typedef {"connecting" | "joined" | "offline" | "stopped"} Status
 * @typedef {string} Why what the server has answered, or "refused", "ended" or "malformed"
 * @typedef {{room: Room, signer: Signer, site: Bytes, user: () => Promise<Sealed>, since: () => Since}} Self
 * @typedef {{
 *   status: (status: Status, why?: Why) => void,
 *   serverKey: (key: ServerKey) => void,
 *   connected: (snapshot: Connected) => void,
 *   user: (user: User) => void,
 *   userLeft: (left: Left) => void,
 *   message: (message: Message) => void,
 *   typing: (typing: Typing) => void,
 *   chunk: (chunk: Chunk) => void,
 *   wanted: (wanted: Wanted) => Promise<unknown>,
 * }} Owner
 */

// The server answers within milliseconds; this is for lines that are nearly dead.
const ANSWER_MS = 20_000;
const LEAVE_MS = 1_000;
// A person who looks at the page waits; a line that was asleep is found out sooner than by the library's heartbeat.
const AWAKE_MS = 5_000;
// A key that the server has just changed makes one join fail; more often something is wrong for good.
const JOIN_TRIES = 3;
// Many who come back at once are let in a few a second; rooms that are away come back by themselves.
const BUSY_MS = 4_000;

/**
 * What the library is to be made with: refused a WebSocket, it polls at once.
 * @returns {Partial<ManagerOptions & SocketOptions>}
 */
export const makeLine = () => ({
  transports: ["websocket", "polling"],
  tryAllTransports: true,
  timeout: 8_000,
  autoConnect: false,
});

/** The one connection of a tab. Every connection of the transport is a new life: a new key, a new join. */
export class Client {
  #socket;
  #self;
  #owner;
  /** Counts connections, so that what an earlier one began is dropped when it comes to its end. */
  #life = 0;
  /** @type {Channel | null} made by the join that is under way */
  #joining = null;
  /** @type {Channel | null} */
  #channel = null;
  /** @type {Promise<unknown>} seals and emits one after the other: counters must arrive in order */
  #queue = Promise.resolve();
  #failures = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #patience;
  #offline = false;

  /**
   * @param {Socket} socket not yet connected
   * @param {Self} self
   * @param {Owner} owner
   */
  constructor(socket, self, owner) {
    this.#socket = socket;
    this.#self = self;
    this.#owner = owner;
    socket.on("connect", () => this.#begin());
    socket.on("disconnect", (reason) => this.#end(reason));
    socket.on("connect_error", (error) => this.#unreachable(error));
    socket.on(EVENTS.sendPublicKey, (pem) => this.#join(pem));
    this.#hear(EVENTS.connected, readConnected, (snapshot) => this.#joined(snapshot));
    this.#hear(EVENTS.newUser, readUser, owner.user);
    this.#hear(EVENTS.userChanged, readUser, owner.user);
    this.#hear(EVENTS.userLeft, readLeft, owner.userLeft);
    this.#hear(EVENTS.getMessage, readMessage, owner.message);
    this.#hear(EVENTS.typing, readTyping, owner.typing);
    this.#hear(EVENTS.chunk, readChunk, owner.chunk);
    this.#hear(EVENTS.chunkWanted, readWanted, async (wanted, answer) => answer?.(await owner.wanted(wanted)));
  }

  start() {
    this.#tell("connecting");
    this.#expect();
    this.#socket.connect();
  }

  /** Now, instead of when the library tries next. */
  restart() {
    this.#failures = 0;
    // Not said to the server, which would tell everybody that somebody has left and come.
    this.#socket.io.engine?.close();
    this.#socket.disconnect();
    this.start();
  }

  /** The device may have slept or changed its network: what timers would notice in their time is looked at now. */
  wake() {
    if (this.#offline) return this.restart();
    if (!this.#channel) return;
    const life = this.#life;
    this.#socket.timeout(AWAKE_MS).emit(COMMANDS.getPublicKey, (/** @type {unknown} */ silence) => {
      if (silence && life === this.#life) this.restart();
    });
  }

  /** Gone at once, for everybody; also when the page is closing, since nothing here waits. */
  stop() {
    clearTimeout(this.#patience);
    this.#socket.disconnect();
  }

  /** Says goodbye through the channel first. */
  async leave() {
    const said = this.request(COMMANDS.leaveRoom).catch(() => undefined);
    await Promise.race([said, new Promise((resolve) => setTimeout(resolve, LEAVE_MS))]);
    this.stop();
  }

  /**
   * A sealed request. Rejects when the line is gone before the answer.
   * @param {string} event
   * @param {Bytes} [body]
   * @returns {Promise<Answer>}
   */
  request(event, body) {
    const life = this.#life;
    const channel = this.#channel;
    const emitted = this.#queue.then(async () => {
      if (!channel || life !== this.#life) throw new Error("not joined");
      const sealed = await channel.seal(event, body);
      if (life !== this.#life) throw new Error("not joined");
      // In an object, so that the queue does not wait for the answer.
      return { answer: this.#socket.timeout(ANSWER_MS).emitWithAck(event, sealed) };
    });
    this.#queue = emitted.catch(() => undefined);
    return emitted.then(({ answer }) => answer).then((answer) => (isObject(answer) ? answer : {}));
  }

  /**
   * What the server says is read before anybody sees it. Room events count only while joined.
   * @template T
   * @param {string} event
   * @param {(value: unknown) => T} read
   * @param {(value: T, answer?: (value: unknown) => void) => void} act
   */
  #hear(event, read, act) {
    this.#socket.on(event, (/** @type {unknown} */ value, /** @type {unknown} */ answer) => {
      if (event !== EVENTS.connected && !this.#channel) return;
      let said;
      try {
        said = read(value);
      } catch {
        this.#give("malformed");
        return;
      }
      act(said, typeof answer === "function" ? /** @type {() => void} */ (answer) : undefined);
    });
  }

  #begin() {
    this.#renew();
    this.#tell("connecting");
    this.#expect();
  }

  /** What the life before had agreed with the server counts no more. */
  #renew() {
    this.#life++;
    this.#channel = this.#joining = null;
    clearTimeout(this.#patience);
  }

  /** Whoever connects is let in soon, or is told why not: a server that says nothing is not waited for. */
  #expect() {
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => {
      this.#turn();
      this.#refused(ERRORS.badEnvelope);
    }, ANSWER_MS);
  }

  /** @param {string} reason */
  #end(reason) {
    this.#renew();
    // The library would send what it holds before its connect handlers run, sealed for a channel that is gone.
    this.#socket.sendBuffer = [];
    if (reason === "io client disconnect") return;
    if (reason === "io server disconnect") this.#tell("stopped", "ended");
    else this.#tell("offline");
  }

  /** @param {Error} error */
  #unreachable({ message }) {
    clearTimeout(this.#patience);
    if (!this.#socket.active) this.#tell("stopped", "refused");
    else if (message !== "timeout" || this.#turn() === "websocket") this.#tell("offline");
  }

  /**
   * Somebody on the way swallows what a transport needs: from now on the other one goes first. Where that is polling,
   * the library goes over to the WebSocket as soon as one answers.
   */
  #turn() {
    return this.#socket.io.opts.transports?.reverse()[0];
  }

  /** @param {unknown} pem */
  async #join(pem) {
    if (this.#channel || this.#joining) return;
    const life = this.#life;
    try {
      const serverKey = await importServerKey(String(pem));
      const { room, signer, site } = this.#self;
      const user = await this.#self.user();
      const socketId = String(this.#socket.id);
      const since = this.#self.since();
      const join = await makeJoin({ serverKey, socketId, site, room, signer, user: user.bytes, since });
      if (life !== this.#life || this.#joining || this.#channel) return;
      this.#joining = join.channel;
      this.#owner.serverKey(serverKey);
      this.#socket.emit(COMMANDS.joinRoom, join.request, (/** @type {unknown} */ answer) => {
        if (life !== this.#life || this.#channel || !isObject(answer)) return;
        if (typeof answer.error === "string") this.#refused(answer.error);
      });
    } catch {
      if (life === this.#life) this.#refused(ERRORS.badEnvelope);
    }
  }

  /** @param {Connected} snapshot */
  #joined(snapshot) {
    if (!this.#joining || snapshot.member !== this.#self.signer.member) {
      this.#give("malformed");
      return;
    }
    this.#channel = this.#joining;
    this.#joining = null;
    this.#failures = 0;
    clearTimeout(this.#patience);
    this.#owner.connected(snapshot);
    this.#tell("joined");
  }

  /** @param {string} error */
  #refused(error) {
    const again = error === ERRORS.badEnvelope && ++this.#failures < JOIN_TRIES;
    if (again) {
      this.#socket.disconnect();
      this.start();
    } else if (error === ERRORS.rateLimited || error === ERRORS.unavailable) {
      this.#socket.disconnect();
      this.#tell("offline", error);
      this.#patience = setTimeout(() => this.start(), BUSY_MS * (1 + Math.random()));
    } else this.#give(error);
  }

  /** @param {Why} why */
  #give(why) {
    clearTimeout(this.#patience);
    this.#socket.disconnect();
    this.#tell("stopped", why);
  }

  /**
   * @param {Status} status
   * @param {Why} [why]
   */
  #tell(status, why) {
    this.#offline = status === "offline";
    this.#owner.status(status, why);
  }
}

/**
 * @param {unknown} value
 * @returns {value is Answer}
 */
function isObject(value) {
  return typeof value === "object" && value !== null;
}
