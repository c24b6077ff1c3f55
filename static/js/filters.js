// Knows which characters and which traces of links a text may have; knows no page: what it gives are strings.

/**
 * @typedef {{punctuation: string, linkTraces: string[]}} Rules from the operator's configuration
 * @typedef {{text: string} | {text: string, href: string, host: string}} Part
 * @typedef {{
 *   characters: (text: string) => {text: string, filtered: boolean},
 *   hasLink: (text: string) => boolean,
 *   links: (text: string) => Part[],
 * }} Filter
 */

/**
 * @param {Rules} rules
 * @returns {Filter}
 */
export function makeFilter({ punctuation, linkTraces }) {
  const allowed = allowedCharacters(punctuation);
  const traces = linkTraces.map(skeleton).filter((trace) => trace !== "");

  /** @param {string} text */
  function characters(text) {
    const kept = text.match(allowed)?.join("") ?? "";
    return { text: kept, filtered: kept !== text };
  }

  /** @param {string} text */
  function hasLink(text) {
    // Afterwards, too: what the filter takes out may have stood in the middle of a link.
    const forms = [skeleton(text), skeleton(characters(text).text)];
    return traces.some((trace) => forms.some((form) => form.includes(trace)));
  }

  return Object.freeze({ characters, hasLink, links });
}

/**
 * Everything that may stay, as one expression that matches it piece by piece.
 * @param {string} punctuation
 */
function allowedCharacters(punctuation) {
  // Configuration cannot let these in: they are what the filter is for.
  const marks = punctuation.replace(/[&<>\p{C}]/gu, "");
  const escaped = Array.from(marks, (mark) => `\\u{${Number(mark.codePointAt(0)).toString(16)}}`).join("");
  const emoji = String.raw`[\p{ExtPict}\p{EMod}][\ufe0f\p{EMod}]*(?:[\u{e0020}-\u{e007e}]+\u{e007f})?`;
  const pieces = [
    String.raw`\p{RI}{2}`, // a flag
    String.raw`${emoji}(?:\u200d${emoji})*`,
    String.raw`[\p{L}\p{M}\p{Nd}\p{Zs}\n${escaped}]`,
    String.raw`(?<=[\p{L}\p{M}])[\u200c\u200d](?=[\p{L}\p{M}])`,
  ];
  return new RegExp(pieces.join("|"), "gu");
}

const LOOKS_LIKE = Object.freeze([
  // Full stops of other scripts, and what is drawn as a dot on the line.
  { sign: ".", like: /[\u3002\u06d4\u0701\u0702\u2e3c\ua4f8\ua60e\u{10a50}\u{1d16d}]/gu },
  { sign: ":", like: /[\u02d0\u0589\u05c3\u0703\u0704\u2236\ua789]/gu },
  // A browser takes the backslash for a slash.
  { sign: "/", like: /[\\\u2044\u2215\u2571\u29f8\u3033]/gu },
]);

/**
 * What of a text a trace is looked for in: the compatibility form without case, marks, and whatever is invisible.
 * @param {string} text
 */
function skeleton(text) {
  // Decomposed (NFKD is NFKC taken apart), so that a mark does not hide in the letter it stands on.
  const bare = text.normalize("NFKD").replace(/[\p{M}\p{DI}]|(?![\t\n\r])\p{C}/gu, "");
  return LOOKS_LIKE.reduce((folded, { sign, like }) => folded.replace(like, sign), bare).toLowerCase();
}

// An address ends at white space, at what is invisible or turns the line around, and at brackets and quotes around it.
const ADDRESS = /(?<![\p{L}\p{N}])https?:\/\/[^\s\p{C}<>"“”„«»`]+/giu;

/**
 * The text in parts that are, joined, the text again; only http and https become links, and never with a user in front
 * of the host, which serves to mislead.
 * @param {string} text
 */
function links(text) {
  /** @type {Part[]} */
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = withoutTrailing(match[0]);
    const url = parse(address);
    if (url === undefined) continue;
    if (match.index > end) parts.push({ text: text.slice(end, match.index) });
    parts.push({ text: address, href: url.href, host: url.host });
    end = match.index + address.length;
  }
  if (end < text.length) parts.push({ text: text.slice(end) });
  return parts;
}

/** @param {string} address */
function parse(address) {
  if (!URL.canParse(address)) return undefined;
  const url = new URL(address);
  const plain = url.username === "" && url.password === "";
  return plain && (url.protocol === "https:" || url.protocol === "http:") ? url : undefined;
}

/**
 * Without the punctuation of the sentence around it; a closing bracket stays when it was opened inside.
 * @param {string} address
 */
function withoutTrailing(address) {
  let end = address.length;
  let open = address.split("(").length - address.split(")").length;
  for (; end > 0; end--) {
    const last = address[end - 1];
    if (last === ")" && open < 0) open++;
    else if (!".,;:!?'’…*_~。、，！？".includes(last)) break;
  }
  return address.slice(0, end);
}
