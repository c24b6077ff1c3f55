// Knows how the driver is reached in Node: what it is told comes in and what it tells goes out, one line of JSON each.
//
//   node node.mjs PACKAGE       the end of the input ends it

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

import { drive } from "./driver.mjs";

const { io } = createRequire(new URL("../node/package.json", import.meta.url))(process.argv[2]);
/** @type {Set<number>} */
const connections = new Set();
const obey = drive(io, (...heard) => console.log(JSON.stringify(heard)));

for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line);
  connections.add(message[0]);
  obey(message);
}
for (const connection of connections) obey([connection, "leave"]);
