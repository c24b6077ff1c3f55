// Knows how a tab lives in its room: what joins connection, conversation and outbox; knows no page and no library.

import { Client } from "./client.js";
import { Conversation } from "./conversation.js";
import { sealContent } from "./crypto.js";
import { COMMANDS, ERRORS } from "./events.js";
import { Files } from "./files.js";
import { fileName } from "./names.js";
import { Outbox } from "./outbox.js";
import { changeLost } from "./sentences.js";
import { Transfers } from "./transfers.js";

/**
 * @import { Socket } from "socket.io-client"
 * @import { Bytes } from "./bytes.js"
 * @import { Status, Why } from "./client.js"
 * @import { Screen } from "./conversation.js"
 * @import { Room, Signer } from "./crypto.js"
 * @import { ServerKey } from "./envelope.js"
 * @import { Wanted } from "./outbox.js"
 * @import { Edit, Erase, Fade, FileRef, React, Ref } from "./payload.js"
 * @import { Line } from "./showing.js"
 */
/**
 * @typedef {{room: Room, signer: Signer, site: Bytes, name: string}} Who
 * @typedef {Screen & {said: (id: string) => Line | undefined, remove: (id: string) => void,
 *   files?: Pick<Transfers, "came" | "left">}} OwnScreen
 * @typedef {{
 *   status: (status: Status, why?: Why) => void,
 *   serverKey: (key: ServerKey) => void,
 *   slowed: (why: string) => void,
 * }} Owner
 */

const AGAIN_MS = 2_000;

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
    async seal({ id, wanted }, { seq, prev }) {
      const at = Date.now();
      if (!changes.has(id)) screen.change(id, { at });
      const body = changed(wanted) ? wanted : { name, ...wanted };
      return sealContent(room, signer, "message", { ...body, at, seq: seq + 1, prev, seen: conversation.seen });
    },
    send: (bytes) => client.request(COMMANDS.sendMessage, bytes),
    missed: (id) => conversation.missed(id),
    sent: (id, seq) => settle(id, { status: "sent", seq }),
    failed: (id) => settle(id, { status: "failed" }),
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
      if (status !== "joined") {
        outbox.closed();
        files.interrupted();
      }
      owner.status(status, why);
      await conversation.settled;
      // By now the line may have broken, and come back with a snapshot that has not been read.
      if (status !== "joined" || turn !== turns) return;
      outbox.opened();
      tellTimer();
    },
    serverKey: owner.serverKey,
    connected: (snapshot) => conversation.connected(snapshot),
    user: (user) => conversation.user(user),
    userLeft: (left) => conversation.userLeft(left),
    message: (message) => conversation.message(message),
    typing: (typing) => conversation.typing(typing),
    chunk: (chunk) => files.chunk(chunk),
    wanted: (wanted) => files.answer(wanted),
  });

  const files = new Files((body) => client.request(COMMANDS.getChunk, body), (member) => conversation.isHere(member));
  const transfers = (screen.files = new Transfers(files, screen));

  let drafts = 0;
  /** @type {Map<string, string>} drafts that change a line, and which */
  const changes = new Map();

  /**
   * @param {string} id of a draft
   * @param {{status: "sent" | "failed", seq?: number}} fate
   */
  function settle(id, fate) {
    const line = changes.get(id);
    changes.delete(id);
    if (line === undefined) return screen.change(id, fate);
    screen.change(line, { changing: [...changes.values()].includes(line) });
    if (fate.status === "failed") screen.notice(null, changeLost(), "warn");
  }

  /**
   * @param {string} text normalised
   * @param {{me?: boolean, re?: Ref, file?: FileRef}} [more] whether it tells what this person does; what it answers; the
   *   file that it is the name of
   */
  function say(text, { me = false, re, file } = {}) {
    const id = `own:${++drafts}`;
    const line = { member: signer.member, name, text, tag: conversation.tag, hue, at: Date.now(), own: true, me, re, file };
    screen.line(id, { ...line, status: "pending", marks: [] });
    outbox.add({ id, wanted: { text, ...(me ? { me } : {}), ...(re ? { re } : {}), ...(file ? { file } : {}) } });
  }

  /** @param {File} file for whoever wants it, while this tab is here; throws where it cannot be read */
  async function share(file) {
    const ref = await files.offer(file);
    say(fileName(file.name), { file: ref });
  }

  /**
   * @param {string} line
   * @param {Edit | Erase | React} wanted
   */
  function change(line, wanted) {
    const id = `change:${++drafts}`;
    changes.set(id, line);
    const [file] = screen.said(line)?.file ?? [];
    if (file && "erase" in wanted) files.withdraw(file);
    screen.change(line, { changing: true });
    outbox.add({ id, wanted });
  }

  /** @param {string} id of a message that failed */
  function retry(id) {
    const line = screen.said(id);
    screen.remove(id);
    if (line !== undefined) say(line.text, line);
  }

  /** @param {string} to a username for everything from now on; without a line, whoever is met next learns it */
  async function rename(to) {
    name = to;
    const { bytes } = await self.user();
    const { error } = await client.request(COMMANDS.updateUser, bytes).catch(() => ({ error: undefined }));
    if (later(error)) setTimeout(() => name === to && rename(to), AGAIN_MS);
  }

  /** @type {number | null} what the server has still to be told */
  let timer = null;

  /** @param {number} seconds after which messages vanish, for everybody in the room; 0 for never */
  function setTimer(seconds) {
    outbox.add({ id: `timer:${++drafts}`, wanted: { fade: seconds } });
    timer = seconds;
    tellTimer();
  }

  /** The log's part of it. Without a line it waits for one. */
  async function tellTimer() {
    const told = timer;
    if (told === null) return;
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, told);
    const { error } = await client.request(COMMANDS.setTimer, bytes).catch(() => ({ error: ERRORS.notInRoom }));
    if (later(error)) setTimeout(tellTimer, AGAIN_MS);
    else if (error === undefined && timer === told) timer = null;
  }

  let typed = 0;
  /** @param {boolean} on whether this person writes; nobody misses it where it is not told */
  async function typing(on) {
    typed = Math.max(Date.now(), typed + 1);
    const { bytes } = await sealContent(room, signer, "typing", { on, at: typed, ...outbox.head });
    await client.request(COMMANDS.typing, bytes).catch(() => undefined);
  }

  return { member: signer.member, tag, hue, client, say, change, retry, rename, setTimer, typing, share, transfers };
}

/**
 * @param {Wanted} wanted
 * @returns {wanted is Edit | Erase | React | Fade}
 */
function changed(wanted) {
  return ["edit", "erase", "react", "fade"].some((key) => key in wanted);
}

/**
 * @param {unknown} error
 * @returns {boolean} whether the same would be taken later
 */
function later(error) {
  return error === ERRORS.rateLimited || error === ERRORS.unavailable;
}
