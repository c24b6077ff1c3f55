// Holds what the server says to its shape: a hostile one says anything.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as events from "../../static/js/events.js";

const MEMBER = "A".repeat(43);
const EPOCH = "A".repeat(22);
const MESSAGE = { id: 1, member: MEMBER, message: "c" };
const EMPTY = { member: MEMBER, epoch: EPOCH, first: 1, last: 0, ttl: null, timer: 0, users: [], log: [] };

test("what an honest server says is read", () => {
  const full = { ...EMPTY, first: 3, last: 5, ttl: 60.5, users: [{ member: MEMBER, user: "u" }], log: [3, 4, 5].map((id) => ({ ...MESSAGE, id })) };
  for (const said of [EMPTY, full]) assert.deepEqual(events.readConnected({ ...said, later: 1 }), said);
  assert.deepEqual(events.readUser({ member: MEMBER, user: "u", x: 1 }), { member: MEMBER, user: "u" });
  assert.deepEqual(events.readMessage(MESSAGE), MESSAGE);
  assert.deepEqual(events.readTyping({ member: MEMBER, typing: "t" }), { member: MEMBER, typing: "t" });
  assert.deepEqual(events.readLeft({ member: MEMBER }), { member: MEMBER });
});

test("what no honest server says is refused", () => {
  const connected = [
    { epoch: "A".repeat(21) },
    { epoch: "A".repeat(21) + "B" },
    { first: 0 },
    { first: 2 },
    { last: -1 },
    { last: 1.5 },
    { ttl: -1 },
    { ttl: "1" },
    { timer: -1 },
    { timer: null },
    { users: {} },
    { users: [null] },
    { users: Array(10_001).fill({ member: MEMBER, user: "u" }) },
    { log: "log" },
    { log: [MESSAGE] },
    { last: 1_001, log: Array.from({ length: 1_001 }, (_, at) => ({ ...MESSAGE, id: at + 1 })) },
    { last: 2, log: [{ ...MESSAGE, id: 2 }, MESSAGE] },
    { last: 2, log: [MESSAGE, MESSAGE] },
    { last: 3, log: [MESSAGE, { ...MESSAGE, id: 3 }] },
    { last: 2, log: [MESSAGE] },
    { first: 2, last: 2, log: [MESSAGE] },
    { member: "A" },
  ];
  for (const wrong of connected)
    assert.throws(() => events.readConnected({ ...EMPTY, ...wrong }), TypeError, JSON.stringify(wrong).slice(0, 80));
  for (const value of [undefined, null, "text", 7, [], {}, { member: MEMBER }, { ...MESSAGE, id: 0 }, { ...MESSAGE, message: null }])
    assert.throws(() => events.readMessage(value), TypeError);
  for (const value of [undefined, null, {}, { member: 7 }, { member: MEMBER.slice(1) }, { member: `${MEMBER.slice(1)}B` }])
    assert.throws(() => events.readLeft(value), TypeError);
});
