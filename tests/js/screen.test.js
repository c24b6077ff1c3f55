// Holds the screen to what it keeps, and to what a filter that is switched reaches.

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { makeFilter } from "../../static/js/filters.js";
import { Screen } from "../../static/js/screen.js";

/** @import { Line } from "../../static/js/showing.js" */

mock.timers.enable({ apis: ["setInterval", "setTimeout"] });

function scene() {
  /** @type {Map<string, boolean>} what stands there, and whether it is shown filtered */
  const shown = new Map();
  const view = {
    options: { links: true, characters: true },
    people: { set() {} },
    noticing: { heard() {} },
    showTyping() {},
    stream: {
      addMessage: (/** @type {string} */ id, /** @type {any} */ { shown: { filtered } }) => void shown.set(id, filtered),
      updateMessage: (/** @type {string} */ id, /** @type {any} */ { shown: { filtered } }) => {
        assert.ok(shown.has(id));
        shown.set(id, filtered);
      },
      remove: (/** @type {string} */ id) => void shown.delete(id),
    },
  };
  const screen = new Screen(/** @type {any} */ (view), makeFilter({ punctuation: ".", linkTraces: ["://"] }));
  /**
   * @param {number} number
   * @param {string} [text]
   * @param {Line["status"]} [status]
   */
  const say = (number, text = "1 < 2", status = "sent") =>
    screen.line(String(number), { member: "m", name: "Ann", text, tag: "", hue: 0, at: 0, own: false, status, marks: [] });
  return { screen, shown, say };
}

test("ten thousand lines stay, and whatever is still unsent", () => {
  const { shown, say } = scene();
  say(0, "unsent", "pending");
  for (let number = 1; number <= 10_005; number++) say(number);
  assert.equal(shown.size, 10_000);
  assert.deepEqual([...shown.keys()].slice(0, 2), ["0", "7"]);
  assert.ok(shown.has("10005"));
});

test("of the longest texts fewer stay", () => {
  const { shown, say } = scene();
  for (let number = 1; number <= 1_000; number++) say(number, "x".repeat(10_000));
  assert.ok(shown.size >= 400 && shown.size < 410, `${shown.size} stay`);
  assert.ok(shown.has("1000"));
  for (let number = 1_001; number <= 2_000; number++) say(number, "short");
  assert.ok(shown.size > 1_300, "short ones take the place of more than one long one each");
});

test("a filter reaches everything, also what comes and goes while it is at work, and the last word counts", async () => {
  const { screen, shown, say } = scene();
  for (let number = 0; number < 3_000; number++) say(number);
  const first = screen.allow({ links: true, characters: false });
  screen.remove("1");
  say(3_000);
  await first;
  assert.equal(shown.size, 3_000);
  assert.deepEqual(new Set(shown.values()), new Set([true]));
  const both = [screen.allow({ links: false, characters: false }), screen.allow({ links: true, characters: true })];
  await Promise.all(both);
  assert.deepEqual(new Set(shown.values()), new Set([false]));
});

/** A screen whose page is a map of what each message shows. */
function page() {
  /** @type {Map<string, any>} */
  const messages = new Map();
  let heard = 0;
  let typing = "";
  const view = {
    options: { links: true, characters: true },
    people: { set() {} },
    noticing: { heard: () => void heard++ },
    showTyping: (/** @type {(string | {name: string})[]} */ words) => {
      typing = words.map((word) => (typeof word === "string" ? word : word.name)).join("");
    },
    addNotice() {},
    stream: {
      addMessage: (/** @type {string} */ id, /** @type {object} */ message) => void messages.set(id, message),
      updateMessage: (/** @type {string} */ id, /** @type {object} */ change) =>
        void messages.set(id, { ...messages.get(id), ...change }),
      updateNotice() {},
      remove: (/** @type {string} */ id) => void messages.delete(id),
    },
  };
  const screen = new Screen(/** @type {any} */ (view), makeFilter({ punctuation: ".@", linkTraces: ["://"] }));
  screen.call("me", "Self");
  /**
   * @param {string} member
   * @param {number} seq
   * @param {string} text
   * @param {Partial<Line>} [more]
   */
  const say = (member, seq, text, more) => {
    const line = { member, name: member, text, tag: "", hue: 0, at: 0, own: member === "me", marks: [], seq };
    screen.line(`${member}${seq}`, { ...line, status: "sent", ...more });
  };
  const text = (/** @type {string} */ id) => messages.get(id).shown.line;
  return { screen, messages, say, text, heard: () => heard, typing: () => typing };
}

/** @param {string[]} names */
const people = (...names) =>
  names.map((name) => ({ member: name.toLowerCase(), name, tag: "", card: "", hue: 0, me: false, confirmed: true, marked: false }));

test("an edit and an erasure reach the message that is meant, and no other", () => {
  const { screen, messages, say, text } = page();
  say("ann", 1, "one");
  say("bob", 1, "other");
  screen.edit(["ann", 1], "two");
  screen.edit(["ann", 7], "nothing");
  assert.equal(text("ann1"), "two");
  assert.equal(messages.get("ann1").edited, true);
  assert.equal(text("bob1"), "other");
  screen.react(["ann", 1], { member: "bob", name: "Bob" }, "👍", true);
  screen.erase(["ann", 1]);
  screen.edit(["ann", 1], "back again");
  screen.react(["ann", 1], { member: "bob", name: "Bob" }, "👍", true);
  assert.equal(messages.get("ann1").erased, true);
  assert.deepEqual([text("ann1"), messages.get("ann1").signs], ["", []]);
  screen.erase(["nobody", 1]);
  assert.deepEqual([...messages.keys()], ["ann1", "bob1"]);
});

test("a sign is one's own, once, and there is an end to signs", () => {
  const { screen, messages, say } = page();
  say("ann", 1, "one");
  const react = (/** @type {string} */ member, /** @type {string} */ sign, on = true) => screen.react(["ann", 1], { member, name: member }, sign, on);
  const signs = () => messages.get("ann1").signs.map((/** @type {any} */ { sign, names, mine }) => `${sign} ${names.join()} ${mine}`);
  react("bob", "👍");
  react("bob", "👍");
  react("me", "👍");
  react("bob", "😀");
  assert.deepEqual(signs(), ["👍 bob,me true", "😀 bob false"]);
  assert.equal(screen.hasSign("ann1", "👍"), true);
  react("me", "👍", false);
  react("bob", "😀", false);
  react("carol", "🚀", false);
  assert.deepEqual(signs(), ["👍 bob false"]);
  for (let number = 0; number < 50; number++) react("bob", String.fromCodePoint(0x1f600 + number));
  assert.equal(signs().length, 20);
});

test("an answer shows what it answers as the filters show it, or says that it is not here", () => {
  const { say, messages } = page();
  say("ann", 1, "first https://a.example\nsecond");
  say("bob", 1, "yes", { re: ["ann", 1] });
  say("bob", 2, "and", { re: ["ann", 9] });
  assert.deepEqual(messages.get("bob1").quote, { id: "ann1", name: "ann", text: "first https://a.example second" });
  assert.deepEqual(messages.get("bob2").quote, { id: "", name: "", text: "" });
});

test("who is muted is neither shown nor noticed, and comes back whole", () => {
  const { screen, messages, say, heard, typing } = page();
  screen.people(people("Ann", "Bob"));
  say("ann", 1, "one");
  screen.mute("ann", true);
  say("ann", 2, "two");
  say("bob", 1, "three");
  assert.deepEqual([...messages].map(([id, { muted }]) => [id, muted]), [["ann1", true], ["ann2", true], ["bob1", false]]);
  assert.equal(heard(), 2);
  screen.typing("ann", true);
  assert.equal(typing(), "");
  screen.mute("ann", false);
  assert.equal(typing(), "Ann is typing…");
  assert.equal(messages.get("ann2").muted, false);
});

test("those who write are named, up to two, and forgotten when they stop or fall silent", () => {
  const { screen, typing } = page();
  screen.people(people("Ann", "Bob", "Carol"));
  screen.typing("ann", true);
  screen.typing("bob", true);
  assert.equal(typing(), "Ann and Bob are typing…");
  screen.typing("carol", true);
  assert.equal(typing(), "Several people are typing…");
  screen.typing("ann", false);
  assert.equal(typing(), "Bob and Carol are typing…");
  mock.timers.tick(60_000);
  assert.equal(typing(), "");
});

test("who is called by name sees it, in the words of others", () => {
  const { screen, messages, say } = page();
  screen.people(people("Self", "Ann"));
  say("ann", 1, "hello @self.");
  say("ann", 2, "hello @ann.");
  say("me", 1, "I am @Self.");
  say("ann", 3, "`@self`");
  assert.deepEqual([...messages.values()].map(({ shown }) => shown.called), [true, false, false, false]);
});

test("clearing takes what was said, not what is unsent", () => {
  const { screen, messages, say } = page();
  say("ann", 1, "one");
  say("me", 1, "two", { status: "pending", seq: undefined });
  screen.clear();
  assert.deepEqual([...messages.keys()], ["me1"]);
});
