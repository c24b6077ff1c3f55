// Knows what is said about people, messages and commands, in words; knows nobody and no page.

/** @typedef {(string | {name: string})[]} Words names apart, since the filters may change how they are shown */

export const HISTORY_LOST = ["The server has lost this room’s history. What you see above is your own copy."];
export const FORK = [
  "The server shows people different histories of this room. Do not trust what is missing here, and tell the others by another way.",
];

export const CHANGE_LOST = ["A change of yours was not taken. Try it again."];
export const HELP = [
  "/nick NAME takes another username\n/me TEXT tells what you do\n/clear clears your own view\n@ and a name calls somebody\nTwo slashes say one. Shift and Enter begin a new line.",
];

/** @type {Record<string, string>} */
export const USERNAME_FAULTS = {
  "too-short": "At least 3 characters.",
  "too-long": "At most 32 characters.",
  forbidden: "Please no invisible characters: others could not tell your name from another.",
};

/** @param {string} word */
export function noSuchCommand(word) {
  return `There is no command /${word}. /help shows those that there are.`;
}

/**
 * @param {{name: string}[]} who some of them, if they are many
 * @returns {Words}
 */
export function typing([one, other, ...more]) {
  if (!one) return [];
  if (!other) return [one, " is typing…"];
  return more.length ? ["Several people are typing…"] : [one, " and ", other, " are typing…"];
}

/** @param {number} n */
export function missed(n) {
  return [`${count(n, "message")} ${n === 1 ? "was" : "were"} missed`];
}

/** @param {number} n */
export function refused(n) {
  return [`${count(n, "message")} refused: not signed by the person that the server named, not for this room, or out of order.`];
}

/** @param {number} seconds */
export function vanishing(seconds) {
  return [`The server lets messages vanish from here after ${duration(seconds)}.`];
}

/**
 * @param {Words} who
 * @param {number} seconds 0 for never
 * @returns {Words}
 */
export function fading(who, seconds) {
  return seconds
    ? [...who, ` has set messages to vanish from here after ${duration(seconds)}.`]
    : [...who, " has set messages to stay."];
}

/**
 * @param {number} n
 * @param {Words} who
 */
export function missing(n, who) {
  return [`${count(n, "message")} of `, ...who, n === 1 ? " is missing" : " are missing"];
}

/**
 * @param {"conflict" | "stale"} what
 * @param {Words} who
 */
export function contradiction(what, who) {
  return what === "conflict"
    ? ["Two different messages of ", ...who, " claim the same place. One of them is not shown."]
    : ["An old message of ", ...who, " was sent again. It is not shown."];
}

/**
 * @param {number} n
 * @param {string} noun
 */
function count(n, noun) {
  return n === 1 ? `1 ${noun}` : `${n} ${noun}s`;
}

// Seconds of the units that a reader thinks in.
const UNITS = /** @type {[number, string][]} */ ([[86_400, "day"], [3_600, "hour"], [60, "minute"], [1, "second"]]);

/** @param {number} seconds */
function duration(seconds) {
  const [size, noun] = UNITS.find(([unit]) => seconds >= unit) ?? [1, "second"];
  return count(Math.round(seconds / size), noun);
}
