// Knows a small Markdown: bold, italic, code, blocks of code, quotes; gives pieces of text, never markup, and knows no page.

/**
 * @typedef {{text: string, style?: "bold" | "italic" | "code"}} Span
 * @typedef {{kind: "text" | "quote" | "code", text: string}} Block
 */

const FENCE = "```";
// Longer spans are nobody's emphasis; without a bound, stars without end would take time without end.
const SPAN = 500;
const SPANS = new RegExp(
  [
    `\`(?<code>[^\`\\n]{1,${SPAN}})\``,
    `(?<![\\p{L}\\p{N}*])\\*\\*(?<bold>[^\\s*](?:[^\\n*]{0,${SPAN}}[^\\s*])?)\\*\\*(?![\\p{L}\\p{N}*])`,
    `(?<![\\p{L}\\p{N}*])\\*(?<italic>[^\\s*](?:[^\\n*]{0,${SPAN}}[^\\s*])?)\\*(?![\\p{L}\\p{N}*])`,
  ].join("|"),
  "gu",
);

/**
 * @param {string} text
 * @returns {Block[]} not empty
 */
export function parseBlocks(text) {
  /** @type {Block[]} */
  const blocks = [];
  const lines = text.split("\n");
  for (let at = 0; at < lines.length; at++) {
    const line = /** @type {string} */ (lines[at]);
    const end = line.startsWith(FENCE) ? lines.indexOf(FENCE, at + 1) : -1;
    if (end > 0) {
      // What stands behind the fence names a language.
      blocks.push({ kind: "code", text: lines.slice(at + 1, end).join("\n") });
      at = end;
    } else if (line.startsWith("> ")) add(blocks, "quote", line.slice(2));
    else add(blocks, "text", line);
  }
  // An empty line beside a block of another kind is only air.
  const full = blocks.filter(({ kind, text }) => kind !== "text" || text.trim() !== "");
  return full.length ? full : [{ kind: "text", text }];
}

/**
 * @param {Block[]} blocks
 * @param {"text" | "quote"} kind
 * @param {string} line
 */
function add(blocks, kind, line) {
  const last = blocks.at(-1);
  if (last?.kind === kind) last.text += `\n${line}`;
  else blocks.push({ kind, text: line });
}

/**
 * @param {string} text
 * @returns {Span[]}
 */
export function parseSpans(text) {
  /** @type {Span[]} */
  const spans = [];
  let end = 0;
  for (const { index, 0: whole, groups = {} } of text.matchAll(SPANS)) {
    if (index > end) spans.push({ text: text.slice(end, index) });
    const [style, inner] = Object.entries(groups).find(([, found]) => found !== undefined) ?? [];
    spans.push({ text: String(inner), style: /** @type {Span["style"]} */ (style) });
    end = index + whole.length;
  }
  if (end < text.length) spans.push({ text: text.slice(end) });
  return spans;
}
