// Knows how long a room name stands against guessing and how to make one that stands; refuses to know the page.

import { ROOM_PREFIX } from "./names.js";

/**
 * hashcat reaches 1,667 Argon2id guesses of 64 MiB a second on the fastest card of 2023 (its pull request 4284), so about
 * half as many at this site's 128 MiB; rounded up for the cards since. A thousand of them is a rich, patient attacker:
 * the estimate should err to the side of caution.
 */
export const GUESSES_PER_SECOND = 1000 * 1000;

// 7 words of 2,048 are 77 bits: two billion years of that attacker.
const WORDS = 7;
const LIST_LENGTH = 2048;

const DAY = 86_400;
const YEAR = 365 * DAY;
/** @type {[seconds: number, one: string, many: string][]} */
const UNITS = [
  [1, "second", "seconds"],
  [60, "minute", "minutes"],
  [3600, "hour", "hours"],
  [DAY, "day", "days"],
  [30 * DAY, "month", "months"],
  [YEAR, "year", "years"],
  [100 * YEAR, "century", "centuries"],
];
// So near to the next unit that rounding would say "60 seconds" or "24 hours".
const AS_GOOD_AS = 0.979;

/** @type {[seconds: number, word: string, advice: string][]} below so many seconds; what is left is strong */
const LEVELS = [
  [3600, "Very weak", " Fine for a room that is no secret."],
  [30 * DAY, "Weak", " Fine for a room that is no secret."],
  [10 * YEAR, "Fair", ""],
  [1000 * YEAR, "Good", ""],
];

/**
 * @param {number} guesses expected until the name is found
 * @returns {{level: number, sentence: string}} 0 to 4
 */
export function verdict(guesses) {
  const seconds = guesses / GUESSES_PER_SECOND;
  const found = LEVELS.findIndex(([limit]) => seconds < limit);
  const level = found < 0 ? LEVELS.length : found;
  const [, word, advice] = LEVELS[level] ?? [0, "Strong", ""];
  return { level, sentence: `${word}: somebody with a thousand graphics cards could guess it ${duration(seconds)}.${advice}` };
}

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 1) return "at once";
  if (seconds >= 100_000 * YEAR) return "in more than 100,000 years";
  const [size, one, many] = UNITS.findLast(([unit]) => seconds >= unit * AS_GOOD_AS) ?? [1, "second", "seconds"];
  const count = Math.round(seconds / size);
  return `in about ${count} ${count === 1 ? one : many}`;
}

/**
 * @param {string} room normalized
 * @returns {Promise<number>} guesses
 */
export async function guessesFor(room) {
  const estimator = await (loading ??= load());
  // What every name here begins with is no secret.
  const secret = room.startsWith(ROOM_PREFIX) ? room.slice(ROOM_PREFIX.length) : room;
  return estimator.check(secret).guesses;
}

/** @type {Promise<import("@zxcvbn-ts/core").ZxcvbnFactory>|undefined} fetched once, when first asked for */
let loading;

async function load() {
  const [{ ZxcvbnFactory }, common, english] = await Promise.all([
    import("@zxcvbn-ts/core"),
    import("@zxcvbn-ts/language-common"),
    import("@zxcvbn-ts/language-en"),
  ]);
  return new ZxcvbnFactory({
    graphs: common.adjacencyGraphs,
    dictionary: { ...common.dictionary, ...english.dictionary },
  });
}

export async function strongRoom() {
  const { wordlist } = await import("wordlist");
  return pickWords(wordlist, crypto.getRandomValues(new Uint16Array(WORDS)));
}

/**
 * @param {readonly string[]} words exactly 2,048: they divide the 65,536 values of a random number evenly, without bias
 * @param {Uint16Array} random
 */
export function pickWords(words, random) {
  if (words.length !== LIST_LENGTH) throw new RangeError(`a list of ${words.length} words would be picked from unevenly`);
  return [...random].map((number) => words[number % LIST_LENGTH]).join("-");
}

/**
 * @param {string} text a fragment, or what somebody pasted
 * @returns {string|null} the room of an invite link, null if it is none
 */
export function invitedTo(text) {
  const coded = /^\S*#room=(.+)$/s.exec(text.trim())?.[1];
  if (!coded) return null;
  try {
    return decodeURIComponent(coded);
  } catch {
    return null;
  }
}
