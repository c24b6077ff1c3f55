// Knows how messages and notices follow each other on the screen; refuses to know where they come from.
//
// Messages live in the log, which screen readers announce; joins, leaves and other notices live in a list outside
// it. Both are `display: contents` of one flex column. What stands together shares blocks, which `order` interleaves for
// the eye: a browser lays out and draws the few blocks in view, not the thousands of messages.

import { beforePaint, byId, make, sentence } from "./dom.js";
import { belongs, dateOf, showMessage } from "./message.js";
import { isCalm, Reader } from "./viewport.js";

/**
 * @import { Act, Message } from "./message.js"
 * @import { Words } from "./sentences.js"
 * @typedef {{id: string, element: HTMLLIElement, message: Message|null, block: Block, at: number, date: string,
 *   grouped: boolean, day: HTMLLIElement|null}} Item a notice has no message; `day` is the separator above, if one is needed
 * @typedef {{element: HTMLElement, list: HTMLElement, items: Item[]}} Block messages only, or notices only
 */

// Each message that comes costs as much as its block is long, each picture as much as there are blocks.
const BLOCK = 50;
// Long enough for assistive technology to have seen, and skipped, a change.
const HUSH_MS = 1000;
const APPEAR_MS = 300;
const POINT_MS = 1500;

export class Stream {
  #log = byId("messages", HTMLElement);
  #quiet = byId("notices", HTMLElement);
  #empty = byId("empty", HTMLElement);
  /** @type {Block[]} in the order of the screen; unsent messages are always last */
  #blocks = [];
  #order = 0;
  /** @type {Map<string, Item>} */
  #items = new Map();
  /** @type {HTMLElement|undefined} */
  #fresh;
  #reader = new Reader();
  #hushed = 0;
  #away = true;
  /** @type {Act} */
  #act;

  /** @param {Act} act */
  constructor(act) {
    this.#act = act;
  }

  get unsent() {
    return this.#waiting().length > 0;
  }

  /** @param {string} id */
  message(id) {
    return this.#items.get(id)?.message;
  }

  /** The reader's own last message that is in the feed. */
  get lastOwn() {
    const own = this.#blocks.flatMap(({ items }) => items.filter(({ message }) => message?.own && message.seq !== undefined));
    return own.findLast(({ message }) => !message?.erased)?.id;
  }

  /** @param {string} id */
  goTo(id) {
    const element = this.#items.get(id)?.element;
    element?.scrollIntoView({ block: "center", behavior: isCalm() ? "instant" : "smooth" });
    element?.animate({ background: ["#4dff9a55", "#4dff9a00"] }, POINT_MS);
  }

  /**
   * @param {string} id
   * @param {Message} message
   */
  addMessage(id, message) {
    const element = make("li", "message");
    // History is there to be read, not to be read out.
    if (message.past) this.#hush();
    this.#add(id, element, message);
    if (message.muted) return;
    this.#fresh = element;
    this.#reader.told(message.own);
  }

  /**
   * @param {string} id
   * @param {Partial<Message>} change
   */
  updateMessage(id, change) {
    const item = this.#items.get(id);
    if (!item?.message) return;
    const message = { ...item.message, ...change };
    if (JSON.stringify(message) === JSON.stringify(item.message)) return;
    const waiting = this.#waiting();
    item.message = message;
    if (change.shown || change.tag || change.muted !== undefined) this.#hush();
    this.#fill(item);
    // What has just come back in the feed takes its place there: one order for all. What stands there already is not
    // touched: put in again, it would be read out again.
    if (waiting.indexOf(item) > 0 && !waits(item)) {
      this.#take(item);
      this.#insert(item);
    }
    this.#arrange();
  }

  /** @param {boolean} away whether what is unsent waits for a line */
  setAway(away) {
    if (away === this.#away) return;
    this.#away = away;
    this.#hush();
    this.#waiting().forEach((item) => this.#fill(item));
    this.#arrange();
  }

  /**
   * @param {string} id
   * @param {Words} words
   * @param {"quiet"|"told"|"warn"|"alarm"} kind
   */
  addNotice(id, words, kind) {
    this.remove(id);
    const element = make("li", "notice", sentence(words));
    element.dataset.kind = kind;
    this.#add(id, element, null);
  }

  /**
   * @param {string} id
   * @param {Words} words the same notice in other words: where it stands, and unheard
   */
  updateNotice(id, words) {
    this.#items.get(id)?.element.replaceChildren(sentence(words));
  }

  /** @param {string} id */
  remove(id) {
    const item = this.#items.get(id);
    if (item) this.#take(item);
    this.#items.delete(id);
  }

  /** What changes in place has been announced before, or is the reader's own doing: it is not read out again. */
  #hush() {
    clearTimeout(this.#hushed);
    this.#log.setAttribute("aria-live", "off");
    this.#hushed = window.setTimeout(() => this.#log.removeAttribute("aria-live"), HUSH_MS);
  }

  /** Where the first block is that holds something unsent, or else the end. */
  #firstWaiting() {
    let at = this.#blocks.length;
    while (this.#blocks[at - 1]?.items.some(waits)) at--;
    return at;
  }

  #waiting() {
    return this.#blocks.slice(this.#firstWaiting()).flatMap(({ items }) => items.filter(waits));
  }

  /**
   * @param {string} id
   * @param {HTMLLIElement} element
   * @param {Message|null} message
   */
  #add(id, element, message) {
    const item = /** @type {Item} */ ({ id, element, message, at: 0, date: "", grouped: false, day: null });
    this.#items.set(id, item);
    this.#fill(item);
    this.#insert(item);
  }

  /** @param {Item} item */
  #insert(item) {
    const list = item.message ? this.#log : this.#quiet;
    const end = waits(item) ? this.#blocks.length : this.#firstWaiting();
    let block = this.#blocks[end];
    let at = block?.items.findIndex(waits) ?? 0;
    if (at === 0) {
      block = this.#blocks[end - 1];
      at = BLOCK;
    }
    if (block?.list !== list || block.items.length >= BLOCK) block = this.#addBlock(waits(item) ? end : this.#part(), list);
    this.#put(item, block, at);
  }

  /**
   * @param {Item} item
   * @param {Block} block
   * @param {number} at beyond its end for the end
   */
  #put(item, block, at) {
    const next = block.items[at];
    block.element.insertBefore(item.element, next?.day ?? next?.element ?? null);
    block.items.splice(at, 0, item);
    item.block = block;
    this.#arrange();
  }

  /** @param {Item} item */
  #take(item) {
    const { block, element } = item;
    separate(item, "");
    element.remove();
    block.items.splice(block.items.indexOf(item), 1);
    this.#arrange();
    if (block.items.length) return;
    this.#blocks.splice(this.#blocks.indexOf(block), 1);
    block.element.remove();
  }

  /** Makes a border between what is in the feed and what is unsent, and says where it is. */
  #part() {
    const at = this.#firstWaiting();
    const items = this.#blocks[at]?.items ?? [];
    const first = items.findIndex(waits);
    if (first <= 0) return at;
    const rest = this.#addBlock(at + 1, this.#log);
    this.#hush();
    for (const item of items.slice(first)) {
      this.#take(item);
      this.#put(item, rest, BLOCK);
    }
    return at + 1;
  }

  /**
   * @param {number} at
   * @param {HTMLElement} list
   */
  #addBlock(at, list) {
    /** @type {Block} */
    const block = { element: make("ol"), list, items: [] };
    const after = this.#blocks.splice(at, Infinity, block);
    this.#blocks.push(...after);
    list.insertBefore(block.element, after.find((other) => other.list === list)?.element ?? null);
    for (const { element } of [block, ...after]) element.style.setProperty("order", String(++this.#order));
    return block;
  }

  /** Grouping, day separators, then scrolling: asked for by everything that changes the list. */
  #arrange = beforePaint(() => {
    this.#layOut();
    this.#empty.hidden = this.#away || this.#blocks.some(({ list }) => list === this.#log);
    this.#reader.follow();
    // One for all that came since the last picture: a thousand at a time would hold the next one up.
    if (!isCalm()) this.#fresh?.animate({ opacity: [0, 1] }, APPEAR_MS);
    this.#fresh = undefined;
  });

  #layOut() {
    /** @type {Message|null} */
    let previous = null;
    let newest = 0;
    let day = "";
    for (const item of this.#blocks.flatMap(({ items }) => items)) {
      const { message } = item;
      if (message?.muted) {
        separate(item, "");
        continue;
      }
      if (message) {
        // A sender's clock may be wrong; it must not make the days jump to and fro.
        const today = item.at >= newest ? item.date : day;
        newest = Math.max(newest, item.at);
        group(item, today === day && belongs(message, previous));
        separate(item, today !== day ? today : "");
        day = today;
      }
      previous = message;
    }
  }

  /** @param {Item} item */
  #fill(item) {
    const { id, element, message } = item;
    if (!message) return;
    const at = Math.min(message.at, Date.now());
    if (at !== item.at) Object.assign(item, { at, date: dateOf(at) });
    showMessage(element, id, message, this.#away, this.#act);
  }
}

/** @param {Item} item */
function waits({ message }) {
  return message !== null && message.status !== "sent";
}

/**
 * @param {Item} item
 * @param {boolean} grouped
 */
function group(item, grouped) {
  if (grouped !== item.grouped) item.element.toggleAttribute("data-grouped", (item.grouped = grouped));
}

/**
 * @param {Item} item
 * @param {string} day "" for no separator
 */
function separate(item, day) {
  if ((item.day?.textContent ?? "") === day) return;
  item.day?.remove();
  item.day = day ? make("li", "day", make("span", "", day)) : null;
  if (item.day) item.element.before(item.day);
}
