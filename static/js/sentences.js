// Knows what is said about people, messages and commands, in words; knows nobody and no page.

import { phrase, t, tn, word } from "./words.js";

/** @typedef {(string | {name: string})[]} Words names apart, since the filters may change how they are shown */

export const historyLost = () => [t("The server has lost this room’s history. What you see above is your own copy.")];
export const forked = () => [
  t(
    "The server shows people different histories of this room. Do not trust what is missing here, and tell the others by another way.",
  ),
];
export const changeLost = () => [t("A change of yours was not taken. Try it again.")];

export const help = () => [
  [
    `/nick ${t("NAME")}: ${t("take another username")}`,
    `/me ${t("TEXT")}: ${t("tell what you do")}`,
    `/clear: ${t("clear your own view")}`,
    t("@ and a name: call somebody"),
    t("Two slashes say one. Shift and Enter begin a new line."),
  ].join("\n"),
];

/** @type {Record<string, string>} */
export const USERNAME_FAULTS = {
  "too-short": word("At least 3 characters."),
  "too-long": word("At most 32 characters."),
  forbidden: word("Please no invisible characters: others could not tell your name from another."),
};

/** @param {string} command */
export function noSuchCommand(command) {
  return t("There is no command /{command}. /help shows those that there are.", { command });
}

/**
 * @param {{name: string}[]} who some of them, if they are many
 * @returns {Words}
 */
export function typing([one, other, ...more]) {
  if (!one) return [];
  if (!other) return phrase(t("{who} is typing…"), { who: [one] });
  if (more.length) return [t("Several people are typing…")];
  return phrase(t("{one} and {other} are typing…"), { one: [one], other: [other] });
}

/** @param {Words} who */
export function joined(who) {
  return phrase(t("{who} joined"), { who });
}

/** @param {Words} who */
export function left(who) {
  return phrase(t("{who} left"), { who });
}

/**
 * @param {Words} before
 * @param {Words} after
 */
export function renamed(before, after) {
  return phrase(t("{before} is {after} now"), { before, after });
}

/**
 * @param {string | null} name null where it could not be read
 * @param {string} tag
 * @returns {Words}
 */
export function called(name, tag) {
  return name ? [{ name }, ` (${tag})`] : [t("somebody ({tag})", { tag })];
}

/** @param {number} n */
export function missed(n) {
  return [tn("{n} message was missed", "{n} messages were missed", n)];
}

/** @param {number} n */
export function refused(n) {
  return [
    tn(
      "{n} message refused: not signed by the person that the server named, not for this room, or out of order.",
      "{n} messages refused: not signed by the person that the server named, not for this room, or out of order.",
      n,
    ),
  ];
}

/** @param {number} seconds */
export function vanishing(seconds) {
  return [t("The server lets messages vanish from here {after}.", { after: after(seconds) })];
}

/**
 * @param {Words} who
 * @param {number} seconds 0 for never
 * @returns {Words}
 */
export function fading(who, seconds) {
  if (!seconds) return phrase(t("{who} has set messages to stay."), { who });
  return phrase(t("{who} has set messages to vanish from here {after}.", { after: after(seconds) }), { who });
}

/**
 * @param {number} n
 * @param {Words} who
 */
export function missing(n, who) {
  return phrase(tn("{n} message of {who} is missing", "{n} messages of {who} are missing", n), { who });
}

/**
 * @param {"conflict" | "stale"} what
 * @param {Words} who
 */
export function contradiction(what, who) {
  return what === "conflict"
    ? phrase(t("Two different messages of {who} claim the same place. One of them is not shown."), { who })
    : phrase(t("An old message of {who} was sent again. It is not shown."), { who });
}

// Of the units that a reader thinks in: seconds, and what so many are.
const UNITS = /** @type {[number, (n: number) => string][]} */ ([
  [86_400, (n) => tn("after {n} day", "after {n} days", n)],
  [3_600, (n) => tn("after {n} hour", "after {n} hours", n)],
  [60, (n) => tn("after {n} minute", "after {n} minutes", n)],
  [1, (n) => tn("after {n} second", "after {n} seconds", n)],
]);

/** @param {number} seconds */
function after(seconds) {
  const [size, say] = UNITS.find(([unit]) => seconds >= unit) ?? UNITS[3];
  return say(Math.round(seconds / size));
}
