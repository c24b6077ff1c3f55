// Holds Markdown to what is meant as such, and to leaving everything else as it is.

import assert from "node:assert/strict";
import { test } from "node:test";

import { parseBlocks, parseSpans } from "../../static/js/markdown.js";
import { randomText } from "./random.js";

/** @param {string} text */
const spans = (text) => parseSpans(text).map(({ text: inner, style }) => (style ? `<${style} ${inner}>` : inner)).join("");
/** @param {string} text */
const blocks = (text) => parseBlocks(text).map(({ kind, text: inner }) => `${kind}: ${inner}`);

test("bold, italic and code", () => {
  assert.equal(spans("a **b c** d *e* `f *g*` (*h*)."), "a <bold b c> d <italic e> <code f *g*> (<italic h>).");
  assert.equal(spans("**a** **b**"), "<bold a> <bold b>");
  assert.equal(spans("*é* `日本`"), "<italic é> <code 日本>");
});

test("what is not meant as such stays", () => {
  for (const text of ["2*3*4", "a * b * c", "** a **", "*a", "**a*", "``", "`a\nb`", "*a\nb*", "snake_case_name", "***", "a*b*c", "* item"])
    assert.equal(spans(text), text);
});

test("blocks of code and quotes", () => {
  assert.deepEqual(blocks("before\n```js\n> a\n\n**b**\n```\nafter\nall"), ["text: before", "code: > a\n\n**b**", "text: after\nall"]);
  assert.deepEqual(blocks("> one\n> two\n\nthree"), ["quote: one\ntwo", "text: \nthree"]);
  assert.deepEqual(blocks("```\nnever closed"), ["text: ```\nnever closed"]);
  assert.deepEqual(blocks(">quote? no"), ["text: >quote? no"]);
  assert.deepEqual(blocks(""), ["text: "]);
  assert.deepEqual(blocks(" \n "), ["text:  \n "]);
});

test("nothing is lost of any text but the signs themselves, and no text takes for ever", { timeout: 20_000 }, () => {
  const bare = (/** @type {string} */ text) => text.replace(/[*`]/g, "");
  for (let round = 0; round < 300; round++) {
    const text = randomText(40);
    assert.equal(bare(parseSpans(text).map((span) => span.text).join("")), bare(text));
  }
  for (const text of ["**a ".repeat(2_500), "*".repeat(10_000), "`".repeat(10_000), "*a".repeat(5_000), "> ```\n".repeat(1_600), "```\n".repeat(2_500)])
    for (const block of parseBlocks(text)) parseSpans(block.text);
});
