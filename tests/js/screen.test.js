// Holds the screen to what it keeps, and to what a filter that is switched reaches.

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { makeFilter } from "../../static/js/filters.js";
import { Screen } from "../../static/js/screen.js";

/** @import { Line } from "../../static/js/conversation.js" */

mock.timers.enable({ apis: ["setInterval"] });

function scene() {
  /** @type {Map<string, boolean>} what stands there, and whether it is shown filtered */
  const shown = new Map();
  const view = {
    options: { links: true, characters: true },
    people: { set() {} },
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
