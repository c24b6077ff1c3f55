// Knows what a line asks for that begins with a slash; knows neither the page nor the room.

import { NameError, normalizeText, normalizeUsername } from "./names.js";
import { noSuchCommand, USERNAME_FAULTS } from "./sentences.js";
import { t, word } from "./words.js";

/**
 * @typedef {{kind: "say", text: string, me: boolean} | {kind: "nick", name: string} | {kind: "clear"} | {kind: "help"}
 *   | {kind: "fault", sentence: string}} Wish a fault without a sentence is one that the box itself speaks of
 */

/** @type {readonly {name: string, takes: string, about: string}[]} */
export const COMMANDS = Object.freeze([
  { name: "nick", takes: word("NAME"), about: word("take another username") },
  { name: "me", takes: word("TEXT"), about: word("tell what you do") },
  { name: "clear", takes: "", about: word("clear your own view") },
  { name: "help", takes: "", about: word("show these commands") },
]);

/**
 * Two slashes say one. A slash with more than a word behind it is a path, not a command.
 * @param {string} typed
 * @returns {Wish}
 */
export function readWish(typed) {
  const [, word, rest = ""] = /^\/(\p{L}+)(?:\s+(.*))?$/su.exec(typed.trim()) ?? [];
  try {
    switch (word?.toLowerCase()) {
      case undefined:
        return { kind: "say", text: normalizeText(typed.replace(/^(\s*)\/\//, "$1/")), me: false };
      case "me":
        return { kind: "say", text: normalizeText(rest), me: true };
      case "nick":
        return { kind: "nick", name: normalizeUsername(rest) };
      case "clear":
        return { kind: "clear" };
      case "help":
        return { kind: "help" };
      default:
        return { kind: "fault", sentence: noSuchCommand(word) };
    }
  } catch (error) {
    if (!(error instanceof NameError)) throw error;
    return { kind: "fault", sentence: word === "nick" ? t(USERNAME_FAULTS[error.code] ?? "") : "" };
  }
}

/**
 * What could stand instead of the word that is being written, if that is a command.
 * @param {string} before the text up to the cursor
 */
export function commandsFor(before) {
  const [, begun] = /^\/(\p{L}*)$/u.exec(before) ?? [];
  if (begun === undefined) return [];
  const fitting = COMMANDS.filter(({ name }) => name.startsWith(begun.toLowerCase()));
  return fitting.map(({ name, takes, about }) => ({ from: 0, text: `/${name}${takes ? " " : ""}`, label: `/${name} ${t(takes)}`, about: t(about) }));
}
