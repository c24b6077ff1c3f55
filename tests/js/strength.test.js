// Holds the strength meter, the maker of strong names and the reader of invite links to what they promise.

import assert from "node:assert/strict";
import { test } from "node:test";

import { duration, GUESSES_PER_SECOND, invitedTo, pickWords, verdict } from "../../static/js/strength.js";

const WORDS = Array.from({ length: 2048 }, (_, index) => `w${index}`);
const YEAR = 365 * 86_400;

test("times are said in the largest unit that fits", () => {
  assert.equal(duration(0.2), "at once");
  assert.equal(duration(1), "in about 1 second");
  assert.equal(duration(50), "in about 50 seconds");
  assert.equal(duration(180), "in about 3 minutes");
  assert.equal(duration(2 * 86_400), "in about 2 days");
  assert.equal(duration(40 * 86_400), "in about 1 month");
  assert.equal(duration(20 * YEAR), "in about 20 years");
  assert.equal(duration(300 * YEAR), "in about 3 centuries");
  assert.equal(duration(1e30), "in more than 100,000 years");
});

test("rounding never says sixty seconds or a hundred years", () => {
  assert.equal(duration(59.7), "in about 1 minute");
  assert.equal(duration(3599), "in about 1 hour");
  assert.equal(duration(364 * 86_400), "in about 1 year");
  assert.equal(duration(99.9 * YEAR), "in about 1 century");
});

test("the verdict rises with the guesses and always names the attacker", () => {
  const levels = [1, 3600 * 24, YEAR, 100 * YEAR, 1e6 * YEAR].map((seconds) => verdict(seconds * GUESSES_PER_SECOND));
  assert.deepEqual(
    levels.map(({ level }) => level),
    [0, 1, 2, 3, 4],
  );
  for (const { sentence } of levels) assert.match(sentence, /a thousand graphics cards/);
  assert.match(levels[0].sentence, /Fine for a room that is no secret/);
});

test("seven words of 2,048 are seventy-seven bits, and those are strong", () => {
  assert.equal(verdict(2 ** 77 / 2).level, 4);
});

test("words are picked evenly: each from exactly 32 of the 65,536 values", () => {
  const counts = new Map();
  for (let value = 0; value < 65_536; value++) {
    const word = pickWords(WORDS, Uint16Array.of(value));
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  assert.equal(counts.size, 2048);
  assert.deepEqual(new Set(counts.values()), new Set([32]));
});

test("words are joined by dashes; a list of another length is refused", () => {
  assert.equal(pickWords(WORDS, Uint16Array.of(0, 2047, 2048)), "w0-w2047-w0");
  assert.throws(() => pickWords(WORDS.slice(1), Uint16Array.of(0)), RangeError);
});

test("an invite link gives its room, decoded once", () => {
  assert.equal(invitedTo("#room=caf%C3%A9"), "café");
  assert.equal(invitedTo("https://chat.example:5000/#room=a%20b"), "a b");
  assert.equal(invitedTo("  https://chat.example/#room=a%26b+c=d#e \n"), "a&b+c=d#e");
  assert.equal(invitedTo("#room=%2525"), "%25");
});

test("what is no invite, or a broken one, is none", () => {
  for (const text of ["", "#", "#room=", "#rooms=a", "harbour", "#room=%E0%A4%A", "see #room=a"]) assert.equal(invitedTo(text), null);
});
