// Knows how long a room name stands against guessing and how to make one that stands; refuses to know the page.

import { ROOM_PREFIX } from "./names.js";

/**
 * hashcat reaches 1,667 Argon2id guesses of 64 MiB a second on the fastest card of 2023 (its pull request 4284), so about
 * half as many at this site's 128 MiB; rounded up for the cards since. A thousand of them is a rich, patient attacker:
 * the estimate should err to the side of caution.
 */
export const GUESSES_PER_SECOND = 1000 * 1000;
const ATTACKER = "somebody with a thousand graphics cards";

// 7 words of 2,048 are 77 bits: as many guesses keep the attacker above busy for a billion years.
const WORDS = 7;
const LIST_LENGTH = 2048;

/** @type {[seconds: number, unit: string][]} */
const UNITS = [
  [1, "second"],
  [60, "minute"],
  [3600, "hour"],
  [86_400, "day"],
  [30 * 86_400, "month"],
  [365 * 86_400, "year"],
];
const CENTURY = 100 * 365 * 86_400;

/**
 * @param {number} guesses expected until the name is found
 * @returns {{level: 0|1|2|3|4, sentence: string}} level 4 is out of reach
 */
export function verdict(guesses) {
  const seconds = guesses / GUESSES_PER_SECOND;
  const time = duration(seconds);
  if (seconds < 3600) return { level: 0, sentence: `Very weak: ${ATTACKER} guesses it ${time}. Fine for a room that is no secret.` };
  if (seconds < 30 * 86_400) return { level: 1, sentence: `Weak: ${ATTACKER} guesses it ${time}. Fine for a room that is no secret.` };
  if (seconds < CENTURY / 10) return { level: 2, sentence: `Fair: ${ATTACKER} guesses it ${time}.` };
  if (seconds < CENTURY * 10) return { level: 3, sentence: `Good: ${ATTACKER} guesses it ${time}.` };
  return { level: 4, sentence: `Strong: ${ATTACKER} would need ${time.replace(/^in /, "")}.` };
}

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 1) return "at once";
  if (seconds >= CENTURY * 1000) return "in more than 100,000 years";
  if (seconds >= CENTURY) return `in about ${Math.round(seconds / CENTURY)} centuries`;
  const [size, unit] = UNITS.findLast(([unitSeconds]) => seconds >= unitSeconds) ?? [1, "second"];
  const count = Math.round(seconds / size);
  return `in about ${count} ${unit}${count === 1 ? "" : "s"}`;
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
