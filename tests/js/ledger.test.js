// Holds the ledger to both its duties: among honest people it never complains, and nothing that a server withholds,
// replays or tells differently, and no signer that contradicts itself, stays unnoticed.

import assert from "node:assert/strict";
import { test } from "node:test";

import { WINDOW } from "../../static/js/chain.js";
import { Ledger } from "../../static/js/ledger.js";
import { integer, pick } from "./random.js";
import { seal, Server, Tab } from "./simulation.js";

/** @import { Payloads } from "../../static/js/payload.js" */

/**
 * @param {number} logSize
 * @param {string[]} members all inside
 */
function room(logSize, ...members) {
  const server = new Server(logSize);
  const tabs = members.map((member) => new Tab(server, member));
  for (const tab of tabs) tab.connect();
  return { server, tabs };
}

test("honest people are never suspected, whatever their lines and the server go through", () => {
  for (let round = 0; round < 60; round++) {
    const server = new Server(pick([0, 1, 3, 35]));
    const tabs = Array.from({ length: 5 }, (_, at) => new Tab(server, `member ${at}`));
    for (let step = 0; step < 300; step++) {
      server.now += 1 + integer(30_000);
      const tab = pick(tabs);
      const act = integer(40);
      if (act === 0) server.restart();
      else if (act < 4) tab.disconnect();
      // Not with a message that may be in the feed unseen: who comes in meanwhile, when no log has it any more, is told
      // by the author's next coming that it starts with that one, and will miss it. So rare, and so near the truth.
      else if (act === 4 && !tab.pending) tab.leave();
      else if (act < 12) tab.connect();
      else if (act < 15) tab.type();
      else if (act < 17) tab.rename();
      // The line breaks after the server has the message and before the author sees it.
      else if (act === 17) losesAnswer(tab, server, `${step}`);
      else tab.say(`${step}`);
    }
    for (const { member, complaints } of tabs) assert.deepEqual(complaints, [], `${member}, round ${round}`);
  }
});

/**
 * @param {Tab} tab
 * @param {Server} server
 * @param {string} text
 */
function losesAnswer(tab, server, text) {
  if (!tab.online || tab.pending) return;
  server.passes = (to) => to !== tab;
  tab.send = () => undefined;
  tab.say(text);
  Reflect.deleteProperty(tab, "send");
  if (tab.pending) server.post(tab, tab.pending);
  server.passes = () => true;
  tab.disconnect();
}

test("a message kept from a reader is noticed at the next word of its author", () => {
  const next = {
    message: (/** @type {Tab} */ tab) => tab.say("next"),
    typing: (/** @type {Tab} */ tab) => tab.type(),
    rename: (/** @type {Tab} */ tab) => tab.rename(),
  };
  for (const act of Object.values(next)) {
    const { server, tabs: [ann, bob] } = room(35, "Ann", "Bob");
    ann.say("heard");
    server.passes = (to) => to !== bob;
    ann.say("withheld");
    ann.say("withheld, too");
    assert.equal(bob.ledger.missing("Ann"), 0);
    server.passes = () => true;
    server.now++;
    act(ann);
    assert.equal(bob.ledger.missing("Ann"), 2);
    assert.equal(bob.ledger.missing("Bob"), 0);
  }
});

test("the very first message is missed, too, by who was there when its author came, or has the whole log", () => {
  const { server, tabs: [bob] } = room(35, "Bob");
  const ann = new Tab(server, "Ann");
  const cid = new Tab(server, "Cid");
  ann.connect();
  cid.connect();
  server.passes = (to) => to === ann;
  ann.say("withheld");
  server.passes = () => true;
  ann.say("next");
  for (const { ledger } of [bob, cid]) assert.equal(ledger.missing("Ann"), 1);
});

test("who comes in later starts with what the log still has", () => {
  const { server, tabs: [ann] } = room(3, "Ann");
  for (let count = 0; count < 10; count++) ann.say(`${count}`);
  const bob = new Tab(server, "Bob");
  bob.connect();
  assert.deepEqual(bob.shown, [8, 9, 10]);
  assert.deepEqual(bob.complaints, []);
});

test("a log with a hole, and a log whose end is cut off, are noticed", () => {
  for (const [withheld, found] of /** @type {const} */ ([[9, true], [10, false]])) {
    const { server, tabs: [ann] } = room(3, "Ann");
    for (let count = 0; count < 10; count++) ann.say(`${count}`);
    const bob = new Tab(server, "Bob");
    server.passes = (to, { id }) => to !== bob || id !== withheld;
    bob.connect();
    assert.equal(bob.ledger.missing("Ann") === 1, found);
    server.now++;
    ann.type();
    assert.equal(bob.ledger.missing("Ann"), 1);
  }
});

test("late messages fill their gap, the one before the known first; then the complaint goes", () => {
  const { server, tabs: [ann, bob] } = room(35, "Ann", "Bob");
  server.passes = (to) => to !== bob;
  for (const text of ["1", "2", "3"]) ann.say(text);
  server.passes = () => true;
  ann.say("4");
  const [first, second, third] = server.log;
  const hear = (/** @type {import("./simulation.js").Posted} */ { id, payload, digest, payloadDigest }) =>
    bob.ledger.message({ id, member: "Ann", payload, digest, payloadDigest, live: true, now: server.now });
  assert.equal(hear(second).verdict, "stale");
  const judged = [third, second, first].map(hear);
  assert.deepEqual(judged.map(({ verdict, late, missing }) => [verdict, late, missing]), [
    ["show", true, 2],
    ["show", true, 1],
    ["show", true, 0],
  ]);
  assert.equal(hear(second).verdict, "duplicate");
  assert.deepEqual(bob.ledger.seen, [4, server.log[3].digest]);
});

test("a gap is no place for an invention", () => {
  const { server, tabs: [ann, bob] } = room(35, "Ann", "Bob");
  server.passes = (to) => to !== bob;
  ann.say("1");
  server.passes = () => true;
  ann.say("2");
  const other = seal("Ann", { name: "Ann", text: "another 1", at: server.now, seq: 1, prev: "", seen: null });
  const heard = bob.ledger.message({ ...other, id: 3, member: "Ann", live: true, now: server.now });
  assert.deepEqual([heard.verdict, heard.missing], ["conflict", 1]);
});

test("a replayed message is dropped, under whatever id", () => {
  const { server, tabs: [ann, bob] } = room(1_000, "Ann", "Bob");
  ann.say("1");
  const [posted] = server.log;
  for (const id of [1, 8_000, 9_000]) {
    const heard = bob.ledger.message({ ...posted, id, live: true, now: server.now });
    assert.deepEqual([heard.verdict, heard.fork], ["duplicate", false]);
  }
  for (let count = 0; count < 2 * WINDOW; count++) {
    ann.say(`${count}`);
    const recent = server.log[Math.max(0, server.log.length - WINDOW / 2)];
    assert.equal(bob.ledger.message({ ...recent, live: true, now: server.now }).verdict, "duplicate");
  }
  assert.equal(bob.ledger.message({ ...posted, id: 9_001, live: true, now: server.now }).verdict, "stale");
  assert.deepEqual(bob.complaints, []);
});

test("what somebody said before coming back is old to those who stayed away from it", () => {
  const { server, tabs: [ann] } = room(35, "Ann");
  ann.say("1");
  const [posted] = server.log;
  ann.leave();
  const bob = new Tab(server, "Bob");
  server.log = [];
  bob.connect();
  ann.connect();
  assert.equal(bob.ledger.message({ ...posted, id: 2, live: true, now: server.now }).verdict, "stale");
});

test("two messages in one place, and two histories behind one message, are conflicts", () => {
  const { server, tabs: [ann, bob] } = room(35, "Ann", "Bob");
  ann.say("1");
  const said = (/** @type {number} */ seq, /** @type {string} */ prev) =>
    seal("Ann", { name: "Ann", text: "other", at: server.now, seq, prev, seen: null });
  const hear = (/** @type {number} */ id, /** @type {ReturnType<typeof seal>} */ sealed) =>
    bob.ledger.message({ ...sealed, id, member: "Ann", live: true, now: server.now });
  assert.equal(hear(2, said(1, "")).verdict, "conflict");
  assert.equal(hear(3, said(2, "hash of another first")).verdict, "conflict");
  assert.equal(hear(4, seal("Ann", { ...said(3, "").payload, prev: said(2, "hash of another first").payloadDigest })).verdict, "show");
  assert.equal(bob.ledger.missing("Ann"), 0);
});

test("a head that contradicts what the signer has said is a conflict; an old user blob is stale", () => {
  const { server, tabs: [ann, bob] } = room(35, "Ann", "Bob");
  ann.say("1");
  const { now } = server;
  const user = { name: "Ann", at: now + 1, seq: 1, prev: "hash of something else" };
  for (const live of [true, false])
    assert.equal(bob.ledger.user({ member: "Ann", payload: user, live, now }), "conflict");
  assert.equal(bob.ledger.user({ member: "Ann", payload: { ...user, at: now }, live: true, now }), "stale");
  assert.equal(bob.ledger.typing({ member: "Ann", payload: { ...user, on: true }, now }), "conflict");
});

test("who has left does not come back by an old word", () => {
  const ledger = new Ledger();
  const came = (/** @type {number} */ at) =>
    ledger.user({ member: "Ann", payload: { name: "Ann", at, seq: 0, prev: "" }, live: true, now: 8 });
  assert.deepEqual([came(7), came(7)], ["ok", "ok"]);
  ledger.left("Ann");
  assert.deepEqual([came(7), came(8)], ["stale", "ok"]);
});

test("a head in the log's past binds what comes at its place and after it", () => {
  const hear = (/** @type {Partial<Payloads["message"]>} */ other) => {
    const ledger = new Ledger();
    ledger.begin({ epoch: "e", first: 4, last: 9, since: null });
    ledger.user({ member: "Ann", payload: { name: "Ann", at: 5, seq: 3, prev: "hash of 3" }, live: false, now: 5 });
    const payload = { name: "Ann", text: "x", at: 5, seen: null, seq: 4, prev: "hash of 3", ...other };
    return ledger.message({ id: 4, member: "Ann", payload, digest: "d", payloadDigest: "p", live: false, now: 5 }).verdict;
  };
  assert.equal(hear({}), "show");
  assert.equal(hear({ prev: "hash of another 3" }), "conflict");
  assert.equal(hear({ seq: 3, prev: "hash of 2" }), "conflict");
  assert.equal(hear({ seq: 2, prev: "hash of 1" }), "show");
  assert.equal(hear({ seq: 7, prev: "hash of 6" }), "show");
});

test("people who are shown different histories notice it with the first message that crosses", () => {
  const { server, tabs } = room(35, "Ann", "Bob", "Cid", "Dan");
  const [ann, bob, cid, dan] = tabs;
  ann.say("for all");
  server.passes = (to) => to === ann || to === cid;
  ann.say("to Cid, who takes it for number 2");
  server.last--;
  server.passes = (to) => to === dan || to === bob;
  dan.say("to Bob, who takes it for number 2");
  assert.deepEqual(tabs.flatMap(({ complaints }) => complaints), []);
  server.passes = () => true;
  bob.say("crosses");
  assert.ok(cid.complaints.includes("fork"));
  assert.ok(!dan.complaints.includes("fork"));
});

/**
 * @param {Ledger} ledger
 * @param {number} id
 * @param {Partial<Payloads["message"]>} payload
 */
function cidSays(ledger, id, payload) {
  const sealed = seal("Cid", { name: "Cid", text: "", at: 8, seq: 1, prev: "", seen: null, ...payload });
  return { ...sealed, ...ledger.message({ ...sealed, id, member: "Cid", live: true, now: 8 }) };
}

test("one id for two messages, and a message that saw the future, are forks; the first to have an id keeps it", () => {
  const { server, tabs: [ann, bob] } = room(35, "Ann", "Bob");
  ann.say("1");
  const [{ digest }] = server.log;
  bob.ledger.user({ member: "Cid", payload: { name: "Cid", at: 7, seq: 0, prev: "" }, live: true, now: 8 });
  const first = cidSays(bob.ledger, 1, {});
  const second = cidSays(bob.ledger, 2, { seq: 2, prev: first.payloadDigest, seen: [1, digest] });
  const third = cidSays(bob.ledger, 3, { seq: 3, prev: second.payloadDigest, seen: [1, first.digest] });
  const fourth = cidSays(bob.ledger, 4, { seq: 4, prev: third.payloadDigest, seen: [4, "anything"] });
  assert.deepEqual([first, second, third, fourth].map(({ fork }) => fork), [true, false, true, true]);
});

test("only a signer's first message of an epoch may speak of the one before, and only one older than its blob", () => {
  const { server, tabs: [ann, bob] } = room(35, "Ann", "Bob");
  ann.say("1");
  /** @type {Partial<Payloads["message"]>} */
  const before = { at: 8, seen: [1, "of another epoch"] };
  const cid = (/** @type {number} */ at) =>
    bob.ledger.user({ member: "Cid", payload: { name: "Cid", at, seq: 0, prev: "" }, live: true, now: server.now });
  cid(9);
  const first = cidSays(bob.ledger, 2, before);
  const second = cidSays(bob.ledger, 3, { ...before, seq: 2, prev: first.payloadDigest });
  assert.deepEqual([first.fork, second.fork], [false, true]);
  server.restart();
  ann.connect();
  bob.connect();
  ann.say("2");
  cid(9);
  assert.equal(cidSays(bob.ledger, 2, { ...before, at: 9, seq: 3, prev: second.payloadDigest }).fork, true);
});

test("after a gap that the server states, each signer goes on without a complaint, but only for what was stated", () => {
  for (const [stated, missing] of [[2, 0], [1, 2]]) {
    const { server, tabs: [ann, bob] } = room(2, "Ann", "Bob");
    ann.say("heard");
    bob.disconnect();
    for (const text of ["2", "3", "4", "5"]) ann.say(text);
    if (stated === 1) server.log = [...server.log].map((posted) => ({ ...posted, id: posted.id - 1 }));
    if (stated === 1) server.last--;
    bob.connect();
    assert.equal(bob.missed, stated);
    assert.equal(bob.ledger.missing("Ann"), missing);
    server.passes = (to) => to !== bob;
    ann.say("withheld");
    server.passes = () => true;
    ann.say("next");
    assert.equal(bob.ledger.missing("Ann"), missing + 1, "the excuse holds once");
  }
});

test("signers together cannot have said more than was stated", () => {
  const { server, tabs: [ann, bob, cid] } = room(1, "Ann", "Bob", "Cid");
  ann.say("1");
  cid.say("1");
  bob.disconnect();
  ann.say("2");
  cid.say("2");
  ann.say("3");
  bob.connect();
  assert.equal(bob.missed, 2);
  assert.equal(bob.ledger.missing("Ann"), 0);
  server.passes = (to) => to !== bob;
  cid.say("3");
  server.passes = () => true;
  cid.say("4");
  assert.equal(bob.ledger.missing("Cid"), 2);
});

test("a snapshot without a stated gap excuses nothing", () => {
  const { server, tabs: [ann, bob] } = room(35, "Ann", "Bob");
  ann.say("1");
  bob.disconnect();
  ann.say("2");
  ann.say("3");
  server.passes = (to, { id }) => to !== bob || id !== 2;
  bob.connect();
  assert.equal(bob.missed, 0);
  assert.equal(bob.ledger.missing("Ann"), 1);
});

test("a lost history is told, also one that the server takes back", () => {
  const { server, tabs: [ann, bob] } = room(35, "Ann", "Bob");
  ann.say("1");
  ann.say("2");
  server.restart();
  ann.connect();
  bob.connect();
  assert.deepEqual([bob.losses, bob.complaints], [1, []]);
  ann.say("3");
  assert.deepEqual(bob.complaints, []);
  bob.disconnect();
  server.last = 0;
  server.log = [];
  bob.connect();
  assert.equal(bob.losses, 2);
  assert.equal(cidSays(bob.ledger, 1, {}).fork, true);
});

test("clocks: live messages more than five minutes off are marked, typing older than one is refused, once each", () => {
  const ledger = new Ledger();
  const now = 1_790_000_000_000;
  const minute = 60_000;
  const clock = (/** @type {number} */ at, live = true) => {
    const sealed = seal(`${at}`, { name: "Ann", text: "x", at, seq: 1, prev: "", seen: null });
    return ledger.message({ ...sealed, id: 1, member: `${at}`, live, now }).clock;
  };
  assert.deepEqual([-5, 0, 5].map((minutes) => clock(now + minutes * minute)), [false, false, false]);
  assert.deepEqual([clock(now + 5 * minute + 1), clock(now - 5 * minute - 1), clock(0, false)], [true, true, false]);
  const typing = (/** @type {number} */ at) => ledger.typing({ member: "Ann", payload: { on: true, at, seq: 0, prev: "" }, now });
  assert.deepEqual([typing(now - minute - 1), typing(now - minute), typing(now - minute), typing(now)], ["stale", "ok", "stale", "ok"]);
});

test("only who has signed something of now is confirmed, until leaving", () => {
  const ledger = new Ledger();
  const now = 1_790_000_000_000;
  const user = (/** @type {string} */ member, /** @type {number} */ at) =>
    ledger.user({ member, payload: { name: "Ann", at, seq: 0, prev: "" }, live: false, now });
  user("old", now - 3_600_000);
  user("new", now - 1_000);
  assert.deepEqual(["old", "new", "nobody"].map((member) => ledger.confirmed(member)), [false, true, false]);
  ledger.typing({ member: "old", payload: { on: true, at: now, seq: 0, prev: "" }, now });
  ledger.left("new");
  assert.deepEqual(["old", "new"].map((member) => ledger.confirmed(member)), [true, false]);
  assert.equal(user("new", now - 1_000), "stale", "the old word again");
  assert.equal(ledger.confirmed("new"), false);
  assert.equal(user("new", now - 999), "ok");
  assert.equal(ledger.confirmed("new"), true);
  ledger.begin({ epoch: "another", first: 1, last: 0, since: null });
  assert.equal(ledger.confirmed("old"), false);
});

test("own messages speak of the last readable one of this epoch", () => {
  const { server, tabs: [ann, bob] } = room(35, "Ann", "Bob");
  assert.equal(bob.ledger.seen, null);
  ann.say("1");
  assert.deepEqual(bob.ledger.seen, [1, server.log[0].digest]);
  server.restart();
  bob.connect();
  assert.equal(bob.ledger.seen, null);
});

test("nothing that others send makes it grow without end, and those who have left are forgotten first", () => {
  const ledger = new Ledger();
  const came = (/** @type {string} */ member, seq = 0, at = 8) =>
    ledger.user({ member, payload: { name: "Ann", at, seq, prev: seq ? "x" : "" }, live: true, now: 8 });
  came("back again");
  ledger.left("back again");
  for (const member of ["back again", "idle"]) {
    came(member, 0, 9);
    came(member, 7, 9);
  }
  for (let count = 0; count < 3_000; count++) {
    came(`passing ${count}`);
    ledger.left(`passing ${count}`);
  }
  assert.deepEqual([ledger.missing("back again"), ledger.missing("idle")], [7, 7]);
  for (let count = 0; count < 2_048; count++) {
    came(`staying ${count}`);
    ledger.typing({ member: "idle", payload: { on: true, at: 9 + count, seq: 7, prev: "x" }, now: 8 });
  }
  assert.deepEqual([ledger.missing("back again"), ledger.missing("idle")], [0, 7]);
  assert.deepEqual([ledger.confirmed("staying 0"), ledger.confirmed("staying 2047")], [false, true]);
});

test("a signer that skips and repeats itself without end is counted right and costs no more", () => {
  const ledger = new Ledger();
  const say = (/** @type {number} */ id, /** @type {number} */ seq, /** @type {Payloads["message"]["seen"]} */ seen = null) =>
    ledger.message({
      ...{ id, member: "greedy", live: true, now: id, digest: `${id}`, payloadDigest: `${seq}` },
      payload: { name: "Ann", text: "", at: id, seq, prev: `${seq - 1}`, seen },
    });
  for (let id = 1; id <= 6_000; id++) {
    say(id, 2 * id);
    ledger.typing({ member: "greedy", payload: { on: true, at: id, seq: id, prev: `${id}` }, now: id });
  }
  assert.equal(ledger.missing("greedy"), 5_999);
  assert.equal(say(6_001, 12_001, [2_500, "other"]).fork, true);
  assert.equal(say(6_002, 12_002, [1, "forgotten"]).fork, false);
  assert.equal(say(6_003, Number.MAX_SAFE_INTEGER).verdict, "show");
  assert.equal(say(6_004, 2).verdict, "stale");
});
