// Knows how messages and notices follow each other on the screen; refuses to know where they come from.
//
// Messages live in the log, which screen readers announce; joins, leaves and other notices live in a list outside
// it. Both lists are `display: contents` of one flex column, and `order` interleaves them for the eye.

import { byId, make } from "./dom.js";
import { textNodes } from "./parts.js";

/**
 * @typedef {{text: string, href?: string, host?: string}} Part
 * @typedef {{nameParts: string, blocked: boolean, filtered: boolean, parts: Part[]}} Shown
 * @typedef {{name: string, tag: string, hue: number, at: number, own: boolean,
 *   status: "pending"|"sent"|"failed", marks: string[], shown: Shown}} Message
 * @typedef {{id: string|null, element: HTMLLIElement, message: Message|null, day: HTMLLIElement|null}} Item
 */

// A page that stays open for weeks must not grow for ever; nobody scrolls back further than this.
const MOST_ITEMS = 1000;
// After a pause as long as this the reader wants to see again who speaks.
const GROUP_MS = 5 * 60 * 1000;
// Within this distance of the end the reader is taken to be following.
const NEAR_END_PX = 48;
// Long enough for assistive technology to have seen, and skipped, a change.
const HUSH_MS = 1000;

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

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
  #arranging = false;
  #hushed = 0;
  #height = 0;
  /** @type {(name: "retry"|"cancel", id: string) => void} */
  #act;

  /** @param {(name: "retry"|"cancel", id: string) => void} act */
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
    const item = { id, element, message, day: null };
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
    this.#hush();
    this.#fill(item);
    // What has just come back in the feed takes its place there: one order for all.
    if (waited && !waits(item)) {
      this.#items.splice(this.#items.indexOf(item), 1);
      this.#insert(item);
    } else this.#arrange();
  }

  /**
   * @param {string|null} id
   * @param {string} sentence
   * @param {"quiet"|"warn"|"alarm"} kind
   */
  addNotice(id, sentence, kind) {
    if (id !== null) this.remove(id, false);
    const element = make("li", "notice", make("span", "", sentence));
    element.dataset.kind = kind;
    this.#insert({ id, element, message: null, day: null });
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
    const next = this.#items.slice(at + 1).find((other) => Boolean(other.message) === Boolean(item.message));
    (item.message ? this.#list : this.#notices).insertBefore(item.element, next?.element ?? null);
    if (this.#items.length > MOST_ITEMS) this.#drop(0);
    this.#arrange();
  }

  /** @param {number} at */
  #drop(at) {
    const [item] = this.#items.splice(at, 1);
    item?.element.remove();
    item?.day?.remove();
    this.#arrange();
  }

  /** Runs once after whatever came in one turn: order, grouping, day separators, then scrolling. */
  #arrange() {
    if (this.#arranging) return;
    this.#arranging = true;
    queueMicrotask(() => {
      this.#arranging = false;
      this.#layOut();
      this.#empty.hidden = this.#items.some((item) => item.message);
      if (this.#following) this.#toEnd("instant");
      this.#showJump();
    });
  }

  #layOut() {
    /** @type {Message|null} */
    let previous = null;
    let order = 0;
    let newest = 0;
    let day = "";
    for (const item of this.#items) {
      const { message, element } = item;
      if (message) {
        // A sender's clock may be wrong; it must not make the days jump to and fro.
        const at = Math.min(message.at, Date.now());
        const today = at >= newest ? dayOf(at) : day;
        newest = Math.max(newest, at);
        this.#separate(item, today !== day ? today : "", ++order);
        element.toggleAttribute("data-grouped", today === day && belongs(message, previous));
        day = today;
      }
      previous = message;
      place(element, ++order);
    }
  }

  /**
   * @param {Item} item
   * @param {string} day
   * @param {number} order
   */
  #separate(item, day, order) {
    if (item.day?.textContent !== day) {
      item.day?.remove();
      item.day = day ? make("li", "day", make("span", "", day)) : null;
      if (item.day) item.element.before(item.day);
    }
    if (item.day) place(item.day, order);
  }

  /** @param {Item} item */
  #fill({ id, element, message }) {
    if (!id || !message) return;
    const { shown, status, own } = message;
    element.dataset.status = status;
    element.toggleAttribute("data-own", own);
    element.style.setProperty("--hue", String(message.hue));
    const by = make("p", "by", make("bdi", "name", shown.nameParts), " ", make("span", "tag", message.tag));
    const text = make("div", "text", ...textNodes(shown));
    text.dir = "auto";
    element.replaceChildren(by, timeOf(message.at), text, fate(status, own));
    if (message.marks.length) element.append(make("p", "marks", ...message.marks.map((mark) => make("span", "mark", mark))));
    if (status === "failed") element.append(make("p", "acts", this.#button("retry", "Try again", id), this.#button("cancel", "Discard", id)));
  }

  /**
   * @param {"retry"|"cancel"} name
   * @param {string} label
   * @param {string} id
   */
  #button(name, label, id) {
    const button = make("button", "small", label);
    button.type = "button";
    button.addEventListener("click", () => this.#act(name, id));
    return button;
  }

  /** What changes in place has been announced before, or is the reader's own doing: it is not read out again. */
  #hush() {
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
    this.#following = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
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
 * @param {Message} message
 * @param {Message|null} previous
 */
function belongs(message, previous) {
  return (
    previous !== null &&
    previous.tag === message.tag &&
    previous.hue === message.hue &&
    previous.name === message.name &&
    previous.shown.nameParts === message.shown.nameParts &&
    Math.abs(message.at - previous.at) < GROUP_MS
  );
}

/**
 * @param {HTMLElement} element
 * @param {number} order
 */
function place(element, order) {
  const value = String(order);
  if (element.style.getPropertyValue("order") !== value) element.style.setProperty("order", value);
}

/** @param {number} at */
function dayOf(at) {
  return DAY.format(at);
}

/** @param {number} at any safe integer: also one beyond what a Date can hold */
function timeOf(at) {
  const element = make("time", "time");
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return element;
  element.dateTime = date.toISOString();
  element.title = FULL.format(date);
  element.textContent = CLOCK.format(date);
  return element;
}

/**
 * @param {Message["status"]} status
 * @param {boolean} own
 */
function fate(status, own) {
  if (status === "failed") return make("span", "fate", "⚠ not sent");
  if (status === "pending") return make("span", "fate", "… sending");
  if (!own) return make("span", "fate");
  const tick = make("span", "", "✓");
  tick.setAttribute("aria-hidden", "true");
  return make("span", "fate", tick, make("span", "unseen", "sent"));
}
