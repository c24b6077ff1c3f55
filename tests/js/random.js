// Knows a source of chance that can be had again: a test names its seed when it fails.

import { randomInt } from "node:crypto";

const seed = Number(process.env.SEED ?? randomInt(2 ** 32));
console.log(`SEED=${seed}`);

let state = seed >>> 0;

/** mulberry32. @returns {number} at least 0, below 1 */
export function random() {
  state = (state + 0x6d2b79f5) >>> 0;
  let mixed = Math.imul(state ^ (state >>> 15), state | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
}

/** @param {number} below */
export const integer = (below) => Math.floor(random() * below);

/**
 * @template T
 * @param {readonly T[]} choices
 */
export const pick = (choices) => choices[integer(choices.length)];

/** @param {number} length */
export const randomBytes = (length) => Uint8Array.from({ length }, () => integer(256));

/** @param {number} most */
export function randomText(most) {
  const alphabets = [
    () => String.fromCodePoint(32 + integer(95)),
    () => String.fromCodePoint(integer(0xd800)),
    () => String.fromCodePoint(0xe000 + integer(0x110000 - 0xe000)),
    () => pick(["\u200d", "\u200c", "\ufe0f", "\u{1f468}", "\u{1f1e9}", ".", "/", ":", "w", "\n", "-", "\u202e"]),
  ];
  return Array.from({ length: integer(most + 1) }, () => pick(alphabets)()).join("");
}
