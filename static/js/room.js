// Knows how the parts of the room page hang together: who came in, the key, the connection, the conversation, the view.

import { io } from "socket.io-client";
import { fromBase64url, toBase64url } from "./bytes.js";
import { makeLine } from "./client.js";
import { deriveRoom, kdfSalt, makeSigner, rawRoomKey, unsupported } from "./crypto.js";
import { ERRORS } from "./events.js";
import { makeFilter } from "./filters.js";
import { deriveSecret } from "./kdf.js";
import { normalizeRoom, normalizeText, normalizeUsername } from "./names.js";
import { Screen } from "./screen.js";
import { makeTab } from "./tab.js";
import { RoomView } from "./view.js";

/** @import { Bytes } from "./bytes.js" */

const LOGIN = "/";
const SALT_BYTES = 16;
// For a line that is nearly dead; whoever waits wants to be told at some time.
const SITE_MS = 30_000;
const SLOW_MS = 5_000;

const REASONS = new Map([
  [ERRORS.roomFull, "The room is full. Try again when somebody has left."],
  [ERRORS.serverFull, "The server is full. Try again in a while."],
  [ERRORS.rateLimited, "The server lets in a few at a time. This page goes on trying."],
  [ERRORS.wrongSite, "This site has been set up anew, so the room’s key must be made again: leave and come back."],
  [ERRORS.unavailable, "The server cannot reach its rooms at the moment."],
  ["ended", "The server has ended this connection."],
  ["malformed", "The server said something that makes no sense, so this page does not listen to it any longer."],
]);
const REFUSED = "The server did not let this page in. Leave and come back; if it goes on, tell whoever runs the site.";
const UNREACHABLE = "The server does not answer. This page goes on trying.";
const SLOW = "This takes longer than usual.";
const SLOWED = "You write faster than the server takes. The rest follows by itself.";
const NO_KEY = "The room’s key could not be made: the site did not answer, or this device has less than 128 MiB to spare.";

const WORKER = new URL("./kdf-worker.js", import.meta.url).href;
// The one address that may become a script here, whatever is asked for.
const policy = /** @type {any} */ (globalThis).trustedTypes?.createPolicy("chatsite", { createScriptURL: () => WORKER });
const workerUrl = policy ? policy.createScriptURL("") : WORKER;

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

/** @returns {Promise<Bytes>} the site salt; whatever else the server answers is refused */
async function fetchSite() {
  const answer = await fetch("/site.json", { cache: "no-store", signal: AbortSignal.timeout(SITE_MS) });
  const { v, salt } = await answer.json();
  const bytes = fromBase64url(String(salt));
  if (!answer.ok || v !== 1 || bytes.length !== SALT_BYTES) throw new Error("not the site's salt");
  return bytes;
}

/**
 * @param {RoomView} view
 * @param {{name: string, roomName: string}} who
 */
async function enter(view, { name, roomName }) {
  view.setState("deriving");
  const site = await fetchSite();
  const secret = async () => deriveSecret(workerUrl, roomName, await kdfSalt(site));
  const room = await deriveRoom(await secret());
  const signer = await makeSigner();

  const data = document.body.dataset;
  const rules = { punctuation: data.filterPunctuation ?? "", linkTraces: JSON.parse(data.filterLinks ?? "[]") };
  const screen = new Screen(view, makeFilter(rules));
  let entered = false;
  let patience = 0;
  const tab = await makeTab(io(makeLine()), { room, signer, site, name }, screen, {
    status(status, why) {
      if (status === "joined") view.setState(entered ? "resynced" : "connected");
      else if (status === "stopped") view.setState("stopped", REASONS.get(why ?? "") ?? REFUSED);
      else if (status === "offline") view.setState("offline", REASONS.get(why ?? "") ?? (entered ? "" : UNREACHABLE));
      else view.setState("connecting");
      entered ||= status === "joined";
      clearTimeout(patience);
      if (status === "connecting") patience = setTimeout(() => view.setState("connecting", SLOW), SLOW_MS);
    },
    serverKey: ({ pem, fingerprint }) =>
      view.shield.set({ serverKeyPem: pem, serverFingerprint: fingerprint, roomFingerprint: room.fingerprint }),
    slowed: (slow) => view.setState("connected", slow ? SLOWED : ""),
  });
  const { client } = tab;
  view.setIdentity({ room: roomName, name, tag: tab.tag, hue: tab.hue });

  view.on("send", (typed) => {
    try {
      tab.say(normalizeText(typed));
      return true;
    } catch {
      return false; // nothing but white space, or longer than a message may be: the composer says so
    }
  });
  view.on("retry", tab.retry);
  view.on("cancel", (id) => screen.remove(id));
  view.on("option", () => {
    for (const [name, allowed] of Object.entries(view.options)) sessionStorage.setItem(`chatsite.${name}`, allowed ? "1" : "0");
    screen.allow(view.options);
  });
  view.on("reconnect", () => client.restart());
  view.on("showKey", async () => {
    try {
      view.shield.showRoomKey(toBase64url(await rawRoomKey(await secret())));
    } catch {
      view.addNotice("key", [NO_KEY], "warn");
    }
  });
  view.on("leave", async () => {
    await client.leave();
    sessionStorage.clear();
    location.assign(LOGIN);
  });
  addEventListener("pagehide", () => client.stop());
  addEventListener("pageshow", ({ persisted }) => persisted && client.restart());
  addEventListener("online", () => client.wake());
  document.addEventListener("visibilitychange", () => document.hidden || client.wake());
  client.start();
}

const who = admitted();
if (who === null || (await unsupported()).length > 0) location.replace(LOGIN);
else {
  const view = new RoomView(document);
  const [links, characters] = ["links", "characters"].map((name) => sessionStorage.getItem(`chatsite.${name}`) !== "0");
  view.options = { links, characters };
  view.on("leave", () => location.assign(LOGIN));
  view.on("reconnect", () => location.assign(LOGIN));
  enter(view, who).catch(() => view.setState("stopped", NO_KEY));
}
