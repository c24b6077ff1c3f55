// Holds long work to letting others have their turn.

import assert from "node:assert/strict";
import { test } from "node:test";

import { breathe } from "../../static/js/breathe.js";

test("whatever else there is to do gets its turn, again and again", async () => {
  let [others, steps] = [0, 0];
  setImmediate(function next() {
    if (++others < 5) setImmediate(next);
  });
  for (; others < 5; steps++) await breathe();
  assert.ok(steps > 100, `${steps} steps: it is not held up at each`);
});
