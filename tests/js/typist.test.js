// Holds the typist to telling no more than is needed, and to telling the end.

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { AGAIN_MS, Typist } from "../../static/js/typist.js";


function scene() {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
  /** @type {boolean[]} */
  const told = [];
  return { told, typist: new Typist((on) => void told.push(on)) };
}

test("told at once, and again only while it goes on", () => {
  const { told, typist } = scene();
  for (let at = 0; at < 2 * AGAIN_MS; at += 100) {
    typist.typed(true);
    mock.timers.tick(100);
  }
  assert.deepEqual(told, [true, true]);
});

test("who stops, or takes it all back, is told of once", () => {
  const { told, typist } = scene();
  typist.typed(true);
  mock.timers.tick(60_000);
  assert.deepEqual(told, [true, false]);
  typist.typed(true);
  typist.typed(false);
  typist.typed(false);
  mock.timers.tick(60_000);
  assert.deepEqual(told, [true, false, true, false]);
});

test("a message tells by itself that its writing is over", () => {
  const { told, typist } = scene();
  typist.typed(true);
  typist.said();
  typist.typed(false);
  mock.timers.tick(60_000);
  assert.deepEqual(told, [true]);
  typist.typed(true);
  assert.deepEqual(told, [true, true]);
});

test("who does not want it is never told of", () => {
  const { told, typist } = scene();
  typist.typed(true);
  typist.allow(false);
  assert.deepEqual(told, [true, false]);
  typist.typed(true);
  mock.timers.tick(60_000);
  assert.deepEqual(told, [true, false]);
  typist.allow(true);
  typist.typed(true);
  assert.deepEqual(told, [true, false, true]);
});
