// Knows how long a room name stands against guessing and how to make one that stands; refuses to know the page.

import { ROOM_PREFIX } from "./names.js";
import { t, tn, word } from "./words.js";

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
/** @type {[seconds: number, say: (n: number) => string][]} */
const UNITS = [
  [1, (n) => tn("in about {n} second", "in about {n} seconds", n)],
  [60, (n) => tn("in about {n} minute", "in about {n} minutes", n)],
  [3600, (n) => tn("in about {n} hour", "in about {n} hours", n)],
  [DAY, (n) => tn("in about {n} day", "in about {n} days", n)],
  [30 * DAY, (n) => tn("in about {n} month", "in about {n} months", n)],
  [YEAR, (n) => tn("in about {n} year", "in about {n} years", n)],
  [100 * YEAR, (n) => tn("in about {n} century", "in about {n} centuries", n)],
];
// So near to the next unit that rounding would say "60 seconds" or "24 hours".
const AS_GOOD_AS = 0.979;

/** @type {[seconds: number, word: string][]} below so many seconds; what is left is strong */
const LEVELS = [
  [3600, word("Very weak")],
  [30 * DAY, word("Weak")],
  [10 * YEAR, word("Fair")],
  [1000 * YEAR, word("Good")],
];
const SECRETS = 2;

/**
 * @param {number} guesses expected until the name is found
 * @returns {{level: number, sentence: string}} 0 to 4
 */
export function verdict(guesses) {
  const seconds = guesses / GUESSES_PER_SECOND;
  const found = LEVELS.findIndex(([limit]) => seconds < limit);
  const level = found < 0 ? LEVELS.length : found;
  const strength = t(LEVELS[level]?.[1] ?? word("Strong"));
  const time = duration(seconds);
  const told = t("{strength}: somebody with a thousand graphics cards could guess it {time}.", { strength, time });
  return { level, sentence: level < SECRETS ? `${told} ${t("Fine for a room that is no secret.")}` : told };
}

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 1) return t("at once");
  if (seconds >= 100_000 * YEAR) return t("in more than 100,000 years");
  const [size, say] = UNITS.findLast(([unit]) => seconds >= unit * AS_GOOD_AS) ?? UNITS[0];
  return say(Math.round(seconds / size));
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
