// Knows how the parts of the room page hang together: who came in, the key, the connection, the conversation, the view.

import { io } from "socket.io-client";
import { fromBase64url, toBase64url } from "./bytes.js";
import { makeLine } from "./client.js";
import { commandsFor, readWish } from "./commands.js";
import { deriveRoom, kdfSalt, makeSigner, rawRoomKey, unsupported } from "./crypto.js";
import { ERRORS } from "./events.js";
import { makeFilter } from "./filters.js";
import { deriveSecret } from "./kdf.js";
import { mentionsFor } from "./mentions.js";
import { normalizeRoom, normalizeText, normalizeUsername } from "./names.js";
import { Screen } from "./screen.js";
import { help } from "./sentences.js";
import { keepShell, renewShell } from "./shell.js";
import { makeTab } from "./tab.js";
import { scriptUrl } from "./trusted.js";
import { Typist } from "./typist.js";
import { OPTIONS, RoomView } from "./view.js";
import { learn, t, word } from "./words.js";

/**
 * @import { Bytes } from "./bytes.js"
 * @import { Wish } from "./commands.js"
 * @import { Ref } from "./payload.js"
 * @import { Options } from "./view.js"
 */

const LOGIN = `/${location.search}`;
const SALT_BYTES = 16;
// For a line that is nearly dead; whoever waits wants to be told at some time.
const SITE_MS = 30_000;
const SLOW_MS = 5_000;

const REASONS = new Map([
  [ERRORS.roomFull, word("The room is full. Try again when somebody has left.")],
  [ERRORS.serverFull, word("The server is full. Try again in a while.")],
  [ERRORS.rateLimited, word("The server lets in a few at a time. This page goes on trying.")],
  [ERRORS.wrongSite, word("This site has been set up anew, so the room’s key must be made again: leave and come back.")],
  [ERRORS.unavailable, word("The server cannot reach its rooms at the moment.")],
  ["ended", word("The server has ended this connection.")],
  ["malformed", word("The server said something that makes no sense, so this page does not listen to it any longer.")],
]);
const REFUSED = word("The server did not let this page in. Leave and come back; if it goes on, tell whoever runs the site.");
const UNREACHABLE = word("The server does not answer. This page goes on trying.");
const SLOW = word("This takes longer than usual.");
/** @type {Map<string, string>} */
const SLOW_REASONS = new Map([
  [ERRORS.rateLimited, word("You write faster than the server takes. The rest follows by itself.")],
  [ERRORS.unavailable, REASONS.get(ERRORS.unavailable) ?? ""],
]);
const NO_KEY = word("The room’s key could not be made: the site did not answer, or this device has less than 128 MiB to spare.");

// Of the files that this page is made of: /static/BUILD/js/room.js.
const [, , BUILD] = new URL(import.meta.url).pathname.split("/");
// Many come back at the same moment, from a server that has just begun; none of them is in a hurry.
const NEWS_MS = 60_000;

/** @returns {{name: string, roomName: string} | null} who comes from the login page, once */
function admitted() {
  const entering = sessionStorage.getItem("chatsite.enter") === "1";
  sessionStorage.removeItem("chatsite.enter");
  if (!entering) return null;
  try {
    const roomName = normalizeRoom(sessionStorage.getItem("chatsite.room") ?? "");
    const name = normalizeUsername(sessionStorage.getItem("chatsite.name") ?? "");
    return { name, roomName };
  } catch {
    return null;
  }
}

/** @returns {Promise<{site: Bytes, build: unknown}>} the site's salt; whatever else the server answers is refused */
async function fetchSite() {
  const answer = await fetch("/site.json", { cache: "no-store", signal: AbortSignal.timeout(SITE_MS) });
  const { v, salt, build } = await answer.json();
  const site = fromBase64url(String(salt));
  if (!answer.ok || v !== 1 || site.length !== SALT_BYTES) throw new Error("not the site's salt");
  return { site, build };
}

/**
 * @param {RoomView} view
 * @param {{name: string, roomName: string}} who
 */
async function enter(view, { name, roomName }) {
  view.setState("deriving");
  const { site } = await fetchSite();
  const secret = async () => deriveSecret(scriptUrl("kdf"), roomName, await kdfSalt(site));
  const room = await deriveRoom(await secret());
  const signer = await makeSigner();

  const data = document.body.dataset;
  const rules = { punctuation: data.filterPunctuation ?? "", linkTraces: JSON.parse(data.filterLinks ?? "[]") };
  const screen = new Screen(view, makeFilter(rules));
  let entered = false;
  let patience = 0;
  let news = 0;
  const tab = await makeTab(io(makeLine()), { room, signer, site, name }, screen, {
    status(status, why) {
      if (status === "joined") view.setState(entered ? "resynced" : "connected");
      else if (status === "stopped") view.setState("stopped", t(REASONS.get(why ?? "") ?? REFUSED));
      else if (status === "offline") view.setState("offline", t(REASONS.get(why ?? "") ?? (entered ? "" : UNREACHABLE)));
      else view.setState("connecting");
      if (status === "joined" && entered) news ||= setTimeout(look, Math.random() * NEWS_MS);
      entered ||= status === "joined";
      clearTimeout(patience);
      if (status === "connecting") patience = setTimeout(() => view.setState("connecting", t(SLOW)), SLOW_MS);
    },
    serverKey: ({ pem, fingerprint }) =>
      view.shield.set({ serverKeyPem: pem, serverFingerprint: fingerprint, roomFingerprint: room.fingerprint }),
    slowed: (why) => view.setState("connected", t(SLOW_REASONS.get(why) ?? "")),
  });
  const { client } = tab;
  const typist = new Typist(tab.typing);
  typist.allow(view.options.typing);

  /** Who was away may come back to another server than was left. */
  async function look() {
    news = 0;
    const { build } = await fetchSite().catch(() => ({ build: BUILD }));
    if (build === BUILD) return;
    renewShell();
    view.offerReload();
  }

  /** @param {string} called */
  function introduce(called) {
    const link = `${location.origin}/#room=${encodeURIComponent(roomName)}`;
    view.setIdentity({ room: roomName, link, name: called, tag: tab.tag, hue: tab.hue });
    screen.call(tab.member, called);
  }

  /**
   * @param {string} id of a line
   * @returns {Ref | undefined}
   */
  function refTo(id) {
    const line = screen.said(id);
    return line?.seq === undefined ? undefined : [line.member, line.seq];
  }

  /**
   * @param {Wish} wish
   * @param {Ref} [re]
   */
  function fulfil(wish, re) {
    switch (wish.kind) {
      case "say":
        typist.said();
        return tab.say(wish.text, { me: wish.me, re });
      case "nick":
        sessionStorage.setItem("chatsite.name", wish.name);
        introduce(wish.name);
        return tab.rename(wish.name);
      case "clear":
        return screen.clear();
      case "help":
        return screen.notice("help", help(), "told");
      case "fault":
        if (wish.sentence) view.tell(wish.sentence); // of the others the box itself speaks
    }
  }

  /**
   * @param {string} id
   * @param {string} typed
   * @returns {boolean} whether it was taken
   */
  function edit(id, typed) {
    const [, seq] = refTo(id) ?? [];
    try {
      const text = normalizeText(typed);
      if (seq && text !== screen.said(id)?.text) tab.change(id, { edit: seq, text });
      return true;
    } catch {
      return false; // nothing but white space, or longer than a message may be: the composer says so
    }
  }

  introduce(name);
  view.on("send", (typed, context) => {
    if (context?.kind === "edit") return edit(context.id, typed);
    const wish = readWish(typed);
    fulfil(wish, context ? refTo(context.id) : undefined);
    return wish.kind !== "fault";
  });
  view.on("erase", (id) => {
    const [, seq] = refTo(id) ?? [];
    if (seq) tab.change(id, { erase: seq });
  });
  view.on("react", (id, sign) => {
    const react = refTo(id);
    if (react) tab.change(id, { react, sign, on: !screen.hasSign(id, sign) });
  });
  view.on("draft", (text) => {
    sessionStorage.setItem("chatsite.draft", text);
    const wish = readWish(text);
    typist.typed(wish.kind === "say");
  });
  view.on("offers", (before, names) => [...commandsFor(before), ...mentionsFor(before, names)]);
  view.on("timer", tab.setTimer);
  view.on("files", (files) => {
    for (const file of files) tab.share(file).catch(() => view.tell(t("{name} could not be read.", { name: file.name })));
  });
  view.on("get", (id) => tab.transfers.get(id));
  view.on("stop", (id) => tab.transfers.stop(id));
  view.on("mute", (member, muted) => screen.mute(member, muted));
  view.on("retry", tab.retry);
  view.on("cancel", (id) => screen.remove(id));
  view.on("option", (option, on) => {
    sessionStorage.setItem(`chatsite.${option}`, on ? "1" : "0");
    if (option === "links" || option === "characters") screen.allow(view.options);
    if (option === "typing") typist.allow(on);
  });
  view.on("reconnect", () => client.restart());
  view.on("showKey", async () => {
    try {
      view.shield.showRoomKey(toBase64url(await rawRoomKey(await secret())));
    } catch {
      view.addNotice("key", [t(NO_KEY)], "warn");
    }
  });
  view.on("reload", () => {
    sessionStorage.setItem("chatsite.enter", "1");
    location.reload();
  });
  view.on("leave", async () => {
    await client.leave();
    // How the site looks tells nothing of where somebody was.
    for (const key of Object.keys(sessionStorage)) if (key !== "chatsite.theme") sessionStorage.removeItem(key);
    location.assign(LOGIN);
  });
  addEventListener("pagehide", () => client.stop());
  addEventListener("pageshow", ({ persisted }) => persisted && client.restart());
  addEventListener("online", () => client.wake());
  document.addEventListener("visibilitychange", () => document.hidden || client.wake());
  client.start();
}

const { words } = document.body.dataset;
if (words) await learn(fetch(words));
const who = admitted();
if (who === null || (await unsupported()).length > 0) location.replace(LOGIN);
else {
  const view = new RoomView(document);
  const chosen = Object.entries(OPTIONS).map(([name, usual]) => {
    const kept = sessionStorage.getItem(`chatsite.${name}`);
    return [name, kept === null ? usual : kept === "1"];
  });
  view.options = /** @type {Options} */ (Object.fromEntries(chosen));
  view.theme = sessionStorage.getItem("chatsite.theme");
  view.on("theme", (theme) => sessionStorage.setItem("chatsite.theme", theme));
  view.draft = sessionStorage.getItem("chatsite.draft") ?? "";
  view.on("leave", () => location.assign(LOGIN));
  view.on("reconnect", () => location.assign(LOGIN));
  keepShell();
  enter(view, who).catch(() => view.setState("stopped", t(NO_KEY)));
}
