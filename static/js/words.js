// Knows the reader's words for the sentences of these pages; knows no sentence by itself, and not where one stands.

/**
 * @import { Words } from "./sentences.js"
 * @typedef {{words: Record<string, string | string[]>, forms: number[]}} Language `words`: by the English ones, several
 *   forms where a number decides; `forms`: which of them goes with 0 to 199, and with the end of larger numbers
 */

const MANY = 100;

/** @type {Language} English is what everything is written in */
let language = { words: {}, forms: [] };

/** @param {Promise<Response>} answer a Language; where none comes, the page speaks English and works all the same */
export async function learn(answer) {
  try {
    language = await (await answer).json();
  } catch {
    // The server was away for this moment.
  }
}

/**
 * Marks what is shown in the reader's words later.
 * @param {string} sentence
 */
export const word = (sentence) => sentence;

/**
 * @param {string} sentence with {places}
 * @param {Record<string, string | number>} [values] what stands there; other places stay
 */
export function t(sentence, values = {}) {
  const found = language.words[sentence];
  return fill(typeof found === "string" ? found : sentence, values);
}

/**
 * @param {string} one
 * @param {string} many
 * @param {number} n decides, and stands at {n}
 * @param {Record<string, string | number>} [values]
 */
export function tn(one, many, n, values = {}) {
  const found = language.words[one];
  const form = language.forms[n < 2 * MANY ? n : MANY + (n % MANY)] ?? 0;
  const chosen = Array.isArray(found) ? found[form] ?? many : n === 1 ? one : many;
  return fill(chosen, { n, ...values });
}

/**
 * With names in it, which may have to be shown in another way.
 * @param {string} sentence in the reader's words, with {places}
 * @param {Record<string, Words>} values
 * @returns {Words}
 */
export function phrase(sentence, values) {
  const parts = sentence.split(/\{(\w+)\}/);
  return parts.flatMap((part, at) => (at % 2 ? values[part] ?? [] : part ? [part] : []));
}

/**
 * @param {string} sentence
 * @param {Record<string, string | number>} values
 */
function fill(sentence, values) {
  return sentence.replace(/\{(\w+)\}/g, (place, name) => String(values[name] ?? place));
}
