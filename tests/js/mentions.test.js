// Holds mentions to whole names of people, wherever they stand, and to a text that stays the same.

import assert from "node:assert/strict";
import { test } from "node:test";

import { mentionsFor, splitMentions } from "../../static/js/mentions.js";
import { pick } from "./random.js";

const NAMES = new Set(["ann", "ann-lee", "bob", "zoë", "x.y"]);

/** @param {string} text */
const found = (text) => splitMentions(text, NAMES).flatMap(({ mention }) => (mention === undefined ? [] : [mention]));

test("whole names, the longest that fits, in any case", () => {
  assert.deepEqual(found("@Ann and @BOB: @ann-lee! (@zoë) @x.y."), ["ann", "bob", "ann-lee", "zoë", "x.y"]);
  assert.deepEqual(found("@Ann-Leeward"), ["ann"]);
  for (const text of ["ann", "@annie", "me@ann", "@ ann", "@", "@@", "@nobody", "@zoëx"]) assert.deepEqual(found(text), [], text);
  assert.deepEqual(found("@@bob"), ["bob"]);
});

test("the pieces are the text again, whatever it is", () => {
  const words = ["@", "ann", "@Ann-lee", "bob", " ", "İ", "😀", "é", "@zoë", "-"];
  for (let round = 0; round < 500; round++) {
    const text = Array.from({ length: 12 }, () => pick(words)).join("");
    assert.equal(splitMentions(text, NAMES).map((piece) => piece.text).join(""), text);
  }
});

test("people are offered behind an at sign that begins a word", () => {
  const names = ["Ann", "Ann-Lee", "Bob", "Bob"];
  const offered = (/** @type {string} */ before) => mentionsFor(before, names).map(({ from, text }) => [from, text]);
  assert.deepEqual(offered("hi @a"), [[3, "@Ann "], [3, "@Ann-Lee "]]);
  assert.deepEqual(offered("@"), [[0, "@Ann "], [0, "@Ann-Lee "], [0, "@Bob "]]);
  for (const before of ["a@b", "@ann ", "", "@x"]) assert.deepEqual(offered(before), [], before);
});
