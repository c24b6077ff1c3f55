// Knows how a tab lives in its room: what joins connection, conversation and outbox; knows no page and no library.

import { Client } from "./client.js";
import { Conversation } from "./conversation.js";
import { sealContent } from "./crypto.js";
import { COMMANDS } from "./events.js";
import { Outbox } from "./outbox.js";

/**
 * @import { Socket } from "socket.io-client"
 * @import { Bytes } from "./bytes.js"
 * @import { Status, Why } from "./client.js"
 * @import { Screen } from "./conversation.js"
 * @import { Room, Signer } from "./crypto.js"
 * @import { ServerKey } from "./envelope.js"
 */
/**
 * @typedef {{room: Room, signer: Signer, site: Bytes, name: string}} Who
 * @typedef {Screen & {text: (id: string) => string | undefined, remove: (id: string) => void}} OwnScreen
 * @typedef {{
 *   status: (status: Status, why?: Why) => void,
 *   serverKey: (key: ServerKey) => void,
 *   slowed: (slow: boolean) => void,
 * }} Owner
 */

/**
 * @param {Socket} socket not yet connected
 * @param {Who} who
 * @param {OwnScreen} screen
 * @param {Owner} owner
 */
export async function makeTab(socket, { room, signer, site, name }, screen, owner) {
  const conversation = new Conversation(room, signer, screen, (message, shown) => outbox.returned(message, shown));
  const { tag, hue } = await conversation.self();

  const outbox = new Outbox({
    async seal({ id, text }, { seq, prev }) {
      const at = Date.now();
      screen.change(id, { at });
      return sealContent(room, signer, "message", { name, text, at, seq: seq + 1, prev, seen: conversation.seen });
    },
    send: (bytes) => client.request(COMMANDS.sendMessage, bytes),
    missed: (id) => conversation.missed(id),
    sent: (id) => screen.change(id, { status: "sent" }),
    failed: (id) => screen.change(id, { status: "failed" }),
    slowed: owner.slowed,
    stalled: () => client.restart(),
  });

  // Readers keep the latest word of a signer: a clock that is set back must not make it an old one.
  let introduced = 0;
  const self = {
    room,
    signer,
    site,
    async user() {
      await conversation.settled;
      introduced = Math.max(Date.now(), introduced + 1);
      return sealContent(room, signer, "user", { name, at: introduced, ...outbox.head });
    },
    since: () => conversation.position,
  };
  let turns = 0;
  const client = new Client(socket, self, {
    async status(status, why) {
      const turn = ++turns;
      if (status !== "joined") outbox.closed();
      owner.status(status, why);
      await conversation.settled;
      // By now the line may have broken, and come back with a snapshot that has not been read.
      if (status === "joined" && turn === turns) outbox.opened();
    },
    serverKey: owner.serverKey,
    connected: (snapshot) => conversation.connected(snapshot),
    user: (user) => conversation.user(user),
    userLeft: (left) => conversation.userLeft(left),
    message: (message) => conversation.message(message),
  });

  let drafts = 0;
  /** @param {string} text normalised */
  function say(text) {
    const id = `own:${++drafts}`;
    const line = { member: signer.member, name, text, tag: conversation.tag, hue, at: Date.now(), own: true, marks: [] };
    screen.line(id, { ...line, status: "pending" });
    outbox.add({ id, text });
  }

  /** @param {string} id of a message that failed */
  function retry(id) {
    const text = screen.text(id);
    screen.remove(id);
    if (text !== undefined) say(text);
  }

  return { tag, hue, client, say, retry };
}
