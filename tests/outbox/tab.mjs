// Knows how a whole tab runs without a page: the page's own modules on the official client in Node. Commands come in and
// all that somebody before the page would see goes out, one line of JSON each. Refuses to know what is tested.
//
//   node tab.mjs '{"url": ..., "secret": ..., "site": ..., "name": ..., "line": {...}}'     the last: options of the library
//   commands: ["say", text], ["retry", id], ["wake"], ["restart"], ["leave"]; the end of the input ends it

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

import { fromBase64url } from "../../static/js/bytes.js";
import { makeLine } from "../../static/js/client.js";
import { deriveRoom, makeSigner } from "../../static/js/crypto.js";
import { makeFilter } from "../../static/js/filters.js";
import { Screen } from "../../static/js/screen.js";
import { makeTab } from "../../static/js/tab.js";

const { io } = createRequire(new URL("../node/package.json", import.meta.url))("socket.io-client");
const { url, secret, site, name, line } = JSON.parse(process.argv[2]);

/** @param {unknown[]} said */
const tell = (...said) => console.log(JSON.stringify(said));
/** @param {(string | {name: string})[]} words */
const sentence = (words) => words.map((word) => (typeof word === "string" ? word : word.name)).join("");

/** Ids of what is said, the others being notices'. */
const lines = new Set();

/** What RoomView is to the page's screen. @type {any} */
const view = {
  options: { links: true, characters: true },
  stream: {
    addMessage(id, { text, name, own, status, marks }) {
      lines.add(id);
      tell("line", id, { text, name, own, status, marks });
    },
    updateMessage: (id, change) => tell("change", id, change),
    updateNotice: (id, words) => tell("notice", id, sentence(words)),
    remove: (id) => tell(lines.delete(id) ? "remove" : "unnotice", id),
  },
  people: { set: (people) => tell("people", people.map((person) => person.name).sort()) },
  addNotice: (id, words, kind) => tell("notice", id, sentence(words), kind),
  addCiphertext() {},
  showTyping() {},
  noticing: { heard() {} },
};

const screen = new Screen(view, makeFilter({ punctuation: "", linkTraces: [] }));
const who = { room: await deriveRoom(fromBase64url(secret)), signer: await makeSigner(), site: fromBase64url(site), name };
const socket = io(url, { ...makeLine(), ...line });
const tab = await makeTab(socket, who, screen, {
  status(status, why) {
    tell("status", status, why ?? null);
  },
  serverKey() {},
  slowed: (why) => tell("slowed", why),
});

/** When a POST that brought the request has been answered, too: until then nothing else can be sent. */
async function drained(engine) {
  while (engine.readyState === "open" && !engine.transport.writable)
    await Promise.race(["drain", "close"].map((event) => new Promise((resolve) => engine.once(event, resolve))));
}

const { client } = tab;
const request = client.request.bind(client);
client.request = (...asked) => {
  tell("asked");
  const answer = request(...asked);
  answer.catch(() => null).then(async (answer) => {
    await drained(socket.io.engine);
    tell("answered", answer);
  });
  return answer;
};
socket.io.on("open", () => {
  tell("transport", socket.io.engine.transport.name);
  socket.io.engine.on("upgrade", (transport) => tell("transport", transport.name));
});
socket.on("connect_error", (error) => tell("connect_error", error.message));
client.start();

/** @type {Record<string, (argument: string) => unknown>} */
const commands = {
  say: tab.say,
  retry: tab.retry,
  wake: () => client.wake(),
  restart: () => client.restart(),
  leave: () => client.leave(),
};
for await (const line of createInterface({ input: process.stdin })) {
  const [command, argument] = JSON.parse(line);
  commands[command](argument);
}
client.stop();
process.exit(0);
