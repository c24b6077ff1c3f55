// Knows how names and texts are shown: filtered as the reader wants, with links, Markdown and the names of people in them.

import { parseBlocks, parseSpans } from "./markdown.js";
import { splitMentions } from "./mentions.js";

/**
 * @import { Filter } from "./filters.js"
 * @import { Block } from "./markdown.js"
 * @import { Part, Shown } from "./message.js"
 * @import { FileRef, Ref } from "./payload.js"
 * @import { Loading } from "./transfers.js"
 * @import { Words } from "./sentences.js"
 * @typedef {{member: string, name: string, text: string, tag: string, hue: number, at: number, own: boolean,
 *   status: "pending" | "sent" | "failed", marks: string[], past?: boolean, me?: boolean, seq?: number, re?: Ref,
 *   edited?: boolean, erased?: boolean, changing?: boolean, file?: FileRef, loading?: Loading}} Line `past`: said before this tab came (back); `me`: what its
 *   author does; `seq`: its number, once it is in the feed; `changing`: a change of it is on its way
 * @typedef {{links: boolean, characters: boolean}} Options what is allowed
 */

const NAME_WITH_LINK = "(a link)";
const NAME_OF_NOTHING = "(filtered)";
const EXCERPT = 200;

export class Showing {
  /** @type {Options} */
  options;
  /** @type {ReadonlySet<string>} the names of those who are here, in small letters */
  #names = new Set();
  #reader = "";
  #filter;

  /**
   * @param {Filter} filter
   * @param {Options} options
   */
  constructor(filter, options) {
    this.#filter = filter;
    this.options = options;
  }

  /** @param {string} name */
  set reader(name) {
    this.#reader = name.toLowerCase();
  }

  /** @param {string[]} names */
  set names(names) {
    this.#names = new Set(names.map((name) => name.toLowerCase()));
  }

  /** @param {string} name */
  name(name) {
    const { links, characters } = this.options;
    if (!links && this.#filter.hasLink(name)) return NAME_WITH_LINK;
    return characters ? name : this.#filter.characters(name).text || NAME_OF_NOTHING;
  }

  /**
   * @param {Words} words
   * @returns {Words}
   */
  sentence(words) {
    return words.map((word) => (typeof word === "string" ? word : { name: this.name(word.name) }));
  }

  /**
   * @param {Line} line
   * @returns {Shown}
   */
  line({ name, text, own, file }) {
    const { links, characters } = this.options;
    const nameParts = this.name(name);
    const blocked = !links && (this.#filter.hasLink(text) || this.#filter.hasLink(name));
    if (blocked) return { nameParts, blocked, filtered: false, blocks: [], line: "…", called: false };
    const kept = characters ? { text, filtered: false } : this.#filter.characters(text);
    const filtered = kept.filtered || (!characters && nameParts !== name);
    // The name of a file is what it is, letter by letter.
    const blocks = file
      ? [{ kind: /** @type {const} */ ("text"), parts: [{ text: kept.text }] }]
      : parseBlocks(kept.text).map((block) => ({ kind: block.kind, parts: this.#parts(block) }));
    const called = !own && blocks.some(({ parts }) => parts.some(({ mention }) => mention === this.#reader));
    const words = blocks.map(({ parts }) => parts.map((part) => part.text).join("")).join(" ");
    return { nameParts, blocked, filtered, blocks, line: words.slice(0, EXCERPT).replace(/\s+/g, " "), called };
  }

  /**
   * @param {Block} block
   * @returns {Part[]}
   */
  #parts({ kind, text }) {
    if (kind === "code") return [{ text }];
    return parseSpans(text).flatMap((span) => {
      if (span.style === "code") return [span];
      const linked = this.options.links ? this.#filter.links(span.text) : [{ text: span.text }];
      const parts = linked.flatMap((part) => ("href" in part ? [part] : splitMentions(part.text, this.#names)));
      return span.style ? parts.map((part) => ({ ...part, style: span.style })) : parts;
    });
  }
}
