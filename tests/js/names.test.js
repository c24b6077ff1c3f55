// Holds names and texts to what readers accept; the single cases stand in the vectors.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as names from "../../static/js/names.js";
import { randomText } from "./random.js";

test("a normalised name is its own normal form", () => {
  for (let round = 0; round < 3_000; round++) {
    const typed = randomText(40);
    for (const normalize of [names.normalizeRoom, names.normalizeUsername]) {
      const name = accepted(() => normalize(typed));
      if (name === undefined) continue;
      assert.equal(accepted(() => normalize(name)), name, JSON.stringify(typed));
      assert.doesNotMatch(name, /\s/);
    }
  }
});

test("what may be typed as a username is what readers accept", () => {
  for (let round = 0; round < 3_000; round++) {
    const name = accepted(() => names.normalizeUsername(randomText(34)));
    if (name !== undefined) assert.ok(names.isUsername(name));
  }
});

test("white space is a dash while it is typed", () => {
  assert.equal(names.dashed("a b"), "a-b");
  assert.equal(names.dashed("a \t\u3000b "), "a-b-");
});

test("a text is sent with plain line breaks, whole characters and no empty ends", () => {
  assert.equal(names.normalizeText(" \r\na\r\nb\rc\n\n"), "a\nb\nc");
  assert.equal(names.normalizeText("a\ud800"), "a\ufffd");
  assert.equal(names.normalizeText("𝄞".repeat(10_000)).length, 20_000);
  assert.throws(() => names.normalizeText("x".repeat(10_001)), { code: "too-long" });
  assert.throws(() => names.normalizeText(" \n "), { code: "empty" });
  assert.ok(!names.isText("\ud800"));
});

/** @param {() => string} attempt */
function accepted(attempt) {
  try {
    return attempt();
  } catch (error) {
    assert.ok(error instanceof names.NameError);
    return undefined;
  }
}

test("the name of a file hides nothing and leads nowhere", () => {
  for (const [typed, name] of [
    ["report.pdf", "report.pdf"],
    ["../../etc/passwd", "_.._etc_passwd"],
    ["C:\\windows\\a.exe", "C__windows_a.exe"],
    ["photo\u202egnp.exe", "photognp.exe"],
    [" .hidden. ", "hidden"],
    ["a\n\t b", "a b"],
    ["e\u0301.txt", "\u00e9.txt"],
    ["", "file"],
    ["...", "file"],
    ["\ud800", "file"],
    [`${"x".repeat(200)}.tar.gz`, `${"x".repeat(117)}.gz`],
    ["x".repeat(200), "x".repeat(120)],
  ])
    assert.equal(names.fileName(typed), name);
});

test("the name of a file is its own normal form", () => {
  for (let round = 0; round < 5_000; round++) {
    const name = names.fileName(randomText(round % 2 ? 40 : 200));
    assert.equal(names.fileName(name), name, JSON.stringify(name));
    assert.ok(name.length > 0 && [...name].length <= 120);
  }
});
