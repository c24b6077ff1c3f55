// Knows how the official socket.io-client is driven from outside: commands come in and all that it hears goes out, one
// line of JSON each. Refuses to know what the words mean.
//
//   node client.mjs URL       commands: ["call", event, ...arguments], ["leave"]; the end of the input ends it

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const { io } = createRequire(new URL("../node/package.json", import.meta.url))("socket.io-client");

/** @param {unknown[]} heard */
const tell = (...heard) => console.log(JSON.stringify(heard));

const socket = io(process.argv[2], { transports: ["websocket"], reconnectionDelay: 50, reconnectionDelayMax: 100 });
socket.on("connect", () => tell("connect", socket.id));
socket.on("connect_error", (/** @type {Error} */ error) => tell("connect_error", error.message));
socket.on("disconnect", (/** @type {string} */ reason) => tell("disconnect", reason));
socket.io.on("ping", () => tell("ping"));
socket.onAny(tell);

for await (const line of createInterface({ input: process.stdin })) {
  const [command, ...args] = JSON.parse(line);
  if (command === "call") tell("ack", await socket.timeout(10_000).emitWithAck(...args));
  if (command === "leave") socket.disconnect();
}
socket.disconnect();
