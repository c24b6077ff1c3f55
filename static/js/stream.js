// Knows how messages and notices follow each other on the screen; refuses to know where they come from.
//
// Messages live in the log, which screen readers announce; joins, leaves and other notices live in a list outside
// it. Both lists are `display: contents` of one flex column, and `order` interleaves them for the eye.

import { beforePaint, byId, make, sentence } from "./dom.js";
import { belongs, dateOf, showMessage } from "./message.js";

/**
 * @import { Act, Message } from "./message.js"
 * @import { Words } from "./sentences.js"
 * @typedef {{id: string|null, element: HTMLLIElement, message: Message|null, at: number, date: string, order: number,
 *   day: HTMLLIElement|null}} Item `day` is the separator above, if one is needed
 */

// Within this distance of the end the reader is taken to be following.
const NEAR_END_PX = 48;
// Long enough for assistive technology to have seen, and skipped, a change.
const HUSH_MS = 1000;

export class Stream {
  #scroller = byId("stream", HTMLElement);
  #log = byId("messages", HTMLElement);
  #list = byId("message-list", HTMLElement);
  #notices = byId("notices", HTMLElement);
  #empty = byId("empty", HTMLElement);
  #jump = byId("jump", HTMLButtonElement);
  /** @type {Item[]} in the order of the screen; unsent messages are always last */
  #items = [];
  #following = true;
  #unseen = 0;
  #hushed = 0;
  #height = 0;
  #top = 0;
  #away = true;
  /** @type {Act} */
  #act;

  /** @param {Act} act */
  constructor(act) {
    this.#act = act;
    this.#scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#jump.addEventListener("click", () => this.#toEnd("smooth"));
    new ResizeObserver(() => this.#resized()).observe(this.#scroller);
  }

  get unsent() {
    return this.#items.some(waits);
  }

  /**
   * @param {string} id
   * @param {Message} message
   */
  addMessage(id, message) {
    const element = make("li", "message");
    element.dataset.id = id;
    /** @type {Item} */
    const item = { id, element, message, at: 0, date: "", order: 0, day: null };
    this.#fill(item);
    this.#insert(item);
    if (message.own) this.#following = true;
    else this.#count();
  }

  /**
   * @param {string} id
   * @param {Partial<Message>} change
   */
  updateMessage(id, change) {
    const item = this.#items.find((other) => other.id === id && other.message);
    if (!item?.message) return;
    const waited = waits(item);
    item.message = { ...item.message, ...change };
    if (change.shown || change.tag) this.hush();
    this.#fill(item);
    // What has just come back in the feed takes its place there: one order for all.
    if (waited && !waits(item)) {
      this.#items.splice(this.#items.indexOf(item), 1);
      this.#insert(item);
    } else this.#arrange();
  }

  /** @param {boolean} away whether what is unsent waits for a line */
  setAway(away) {
    if (away === this.#away) return;
    this.#away = away;
    this.hush();
    for (const item of this.#items) if (waits(item)) this.#fill(item);
  }

  /**
   * @param {string|null} id
   * @param {Words} words
   * @param {"quiet"|"warn"|"alarm"} kind
   */
  addNotice(id, words, kind) {
    if (id !== null) this.remove(id, false);
    const element = make("li", "notice", sentence(words));
    element.dataset.kind = kind;
    this.#insert({ id, element, message: null, at: 0, date: "", order: 0, day: null });
  }

  /**
   * @param {string} id
   * @param {Words} words the same notice in other words: where it stands, and unheard
   */
  updateNotice(id, words) {
    const item = this.#items.find((other) => other.id === id && !other.message);
    item?.element.replaceChildren(sentence(words));
  }

  /**
   * @param {string} id
   * @param {boolean} isMessage
   */
  remove(id, isMessage) {
    const at = this.#items.findIndex((item) => item.id === id && Boolean(item.message) === isMessage);
    if (at >= 0) this.#drop(at);
  }

  clear() {
    while (this.#items.length) this.#drop(0);
    this.#unseen = 0;
    this.#following = true;
  }

  /** @param {Item} item */
  #insert(item) {
    const firstWaiting = waits(item) ? -1 : this.#items.findIndex(waits);
    const at = firstWaiting < 0 ? this.#items.length : firstWaiting;
    this.#items.splice(at, 0, item);
    const list = item.message ? this.#list : this.#notices;
    const next = this.#items.slice(at + 1).find((other) => Boolean(other.message) === Boolean(item.message))?.element ?? null;
    // What stands where it belongs is not touched: put in again, it would be read out again.
    if (item.element.parentNode !== list || item.element.nextElementSibling !== next) list.insertBefore(item.element, next);
    this.#arrange();
  }

  /** @param {number} at */
  #drop(at) {
    const [item] = this.#items.splice(at, 1);
    item?.element.remove();
    item?.day?.remove();
    this.#arrange();
  }

  /** Order, grouping, day separators, then scrolling: asked for by everything that changes the list. */
  #arrange = beforePaint(() => {
    this.#layOut();
    this.#empty.hidden = this.#items.some((item) => item.message);
    if (this.#following) this.#toEnd("instant");
    this.#showJump();
  });

  #layOut() {
    /** @type {Message|null} */
    let previous = null;
    let last = 0;
    let newest = 0;
    let day = "";
    for (const item of this.#items) {
      const { message, element } = item;
      if (message) {
        // A sender's clock may be wrong; it must not make the days jump to and fro.
        const today = item.at >= newest ? item.date : day;
        newest = Math.max(newest, item.at);
        element.toggleAttribute("data-grouped", today === day && belongs(message, previous));
        separate(item, today !== day ? today : "");
        day = today;
      }
      previous = message;
      // Only what has to move gets a new number; the odd ones between are for separators.
      if (item.order <= last) place(element, (item.order = last + 2));
      last = item.order;
      if (item.day) place(item.day, last - 1);
    }
  }

  /** @param {Item} item */
  #fill(item) {
    const { id, element, message } = item;
    if (!id || !message) return;
    const at = Math.min(message.at, Date.now());
    if (at !== item.at) Object.assign(item, { at, date: dateOf(at) });
    showMessage(element, id, message, this.#away, this.#act);
  }

  /** What changes in place has been announced before, or is the reader's own doing: it is not read out again. */
  hush() {
    clearTimeout(this.#hushed);
    this.#log.setAttribute("aria-live", "off");
    this.#hushed = setTimeout(() => this.#log.removeAttribute("aria-live"), HUSH_MS);
  }

  #count() {
    if (!this.#following) this.#unseen++;
  }

  #resized() {
    this.#height = this.#scroller.clientHeight;
    if (this.#following) this.#toEnd("instant");
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    // A window that changed its size, not a reader, moved the text: a keyboard came up.
    if (clientHeight !== this.#height) return;
    // Nor is it a reader's doing that something has just come below: who stops following moves up.
    if (scrollHeight - scrollTop - clientHeight < NEAR_END_PX) this.#following = true;
    else if (scrollTop < this.#top) this.#following = false;
    this.#top = scrollTop;
    if (this.#following) this.#unseen = 0;
    this.#showJump();
  }

  #showJump() {
    this.#jump.hidden = this.#following;
    this.#jump.textContent = this.#unseen ? `↓ ${this.#unseen} new` : "↓ Newest";
  }

  /** @param {ScrollBehavior} behavior */
  #toEnd(behavior) {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.#scroller.scrollTo({ top: this.#scroller.scrollHeight, behavior: calm ? "instant" : behavior });
  }
}

/** @param {Item} item */
function waits({ message }) {
  return Boolean(message && message.status !== "sent");
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

/**
 * @param {HTMLElement} element
 * @param {number} order
 */
function place(element, order) {
  const value = String(order);
  if (element.style.getPropertyValue("order") !== value) element.style.setProperty("order", value);
}
