// Knows where a text speaks of somebody by their name; knows no page.

/**
 * @typedef {{text: string, mention?: string}} Piece `mention`: the name that it is, in small letters
 * @typedef {{from: number, text: string, label: string, about: string}} Offer what would stand from `from` to the cursor
 */

const LONGEST_NAME = 32;
const MAX_OFFERS = 8;
const WORD = /[\p{L}\p{M}\p{N}_]/u;

/**
 * The text in pieces that are, joined, the text again.
 * @param {string} text
 * @param {ReadonlySet<string>} names in small letters
 * @returns {Piece[]}
 */
export function splitMentions(text, names) {
  /** @type {Piece[]} */
  const pieces = [];
  let end = 0;
  for (let at = text.indexOf("@"); at >= 0; at = text.indexOf("@", at + 1)) {
    if (at < end || WORD.test(text[at - 1] ?? "")) continue;
    const name = nameAt(text, at + 1, names);
    if (name === "") continue;
    if (at > end) pieces.push({ text: text.slice(end, at) });
    end = at + 1 + name.length;
    pieces.push({ text: text.slice(at, end), mention: name });
  }
  if (end < text.length) pieces.push({ text: text.slice(end) });
  return pieces;
}

/**
 * The longest name that begins there and ends with a word.
 * @param {string} text
 * @param {number} at
 * @param {ReadonlySet<string>} names
 */
function nameAt(text, at, names) {
  // Small letters can be of another length: such a name is not found.
  for (let length = Math.min(2 * LONGEST_NAME, text.length - at); length > 0; length--) {
    const name = text.slice(at, at + length).toLowerCase();
    if (name.length === length && names.has(name) && !WORD.test(text[at + length] ?? "")) return name;
  }
  return "";
}

/**
 * Who could be meant by the word that is being written.
 * @param {string} before the text up to the cursor
 * @param {readonly string[]} names
 * @returns {Offer[]}
 */
export function mentionsFor(before, names) {
  const [, begun] = /(?:^|\s)@([^\s@]*)$/u.exec(before) ?? [];
  if (begun === undefined) return [];
  const from = before.length - begun.length - 1;
  const fitting = [...new Set(names)].filter((name) => name.toLowerCase().startsWith(begun.toLowerCase()));
  return fitting.slice(0, MAX_OFFERS).map((name) => ({ from, text: `@${name} `, label: `@${name}`, about: "" }));
}
