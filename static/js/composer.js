// Knows the box in which a message is written; refuses to know what becomes of it.

import { Completion } from "./completion.js";
import { byId } from "./dom.js";
import { t } from "./words.js";

/**
 * @import { Offer } from "./mentions.js"
 * @typedef {{kind: "reply" | "edit", id: string, label: string}} Context what the text will be, if it is not just said
 */

// Nobody wants to see a number while there is room: it appears over the last stretch.
const COUNT_FROM_LEFT = 500;

export class Composer {
  #text = byId("text", HTMLTextAreaElement);
  #send = byId("send", HTMLButtonElement);
  #counter = byId("counter", HTMLElement);
  #most = Number(document.body.dataset.maxText) || 10_000;
  #open = false;
  #line = byId("context", HTMLElement);
  /** @type {Context | null} */
  #context = null;
  /** What was being written when something else came first. */
  #kept = "";
  #submit;
  #changed;
  #editLast;
  #completion;

  /**
   * @param {(text: string, context: Context | null) => boolean} submit answers whether the text was taken
   * @param {(text: string) => void} changed the person has changed what stands there
   * @param {(before: string) => Offer[]} offersFor
   * @param {() => void} editLast
   */
  constructor(submit, changed, offersFor, editLast) {
    this.#submit = submit;
    this.#changed = changed;
    this.#editLast = editLast;
    byId("context-close", HTMLElement).addEventListener("click", () => this.#drop());
    this.#completion = new Completion(this.#text, offersFor);
    this.#text.addEventListener("input", () => {
      this.#typed();
      this.#completion.look();
      if (this.#context?.kind !== "edit") this.#changed(this.#text.value);
    });
    this.#text.addEventListener("keydown", (event) => this.#key(event));
    this.#send.addEventListener("click", () => this.#go());
    this.#typed();
  }

  get draft() {
    return this.#context?.kind === "edit" ? this.#kept : this.#text.value;
  }

  set draft(text) {
    this.#text.value = text;
    this.#typed();
  }

  /** @param {boolean} open whether what is written would be taken now */
  setOpen(open) {
    this.#open = open;
    this.#typed();
  }

  focus() {
    this.#text.focus();
  }

  /** @param {string} text where the cursor is */
  insert(text) {
    const { selectionStart, selectionEnd } = this.#text;
    this.#text.setRangeText(text, selectionStart, selectionEnd, "end");
    this.focus();
    this.#text.dispatchEvent(new Event("input"));
  }

  /**
   * The next text answers something, or takes its place.
   * @param {Context} context
   * @param {string} [text] that is to be edited
   */
  begin(context, text) {
    this.#drop();
    this.#context = context;
    byId("context-text", HTMLElement).textContent = context.label;
    this.#line.hidden = false;
    if (text !== undefined) {
      this.#kept = this.#text.value;
      this.draft = text;
    }
    this.focus();
  }

  #drop() {
    const editing = this.#context?.kind === "edit";
    this.#context = null;
    this.#line.hidden = true;
    if (editing) this.draft = this.#kept;
    this.focus();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    // 229: Safari ends a composition before the Enter that closed it arrives.
    if (this.#completion.key(event)) return;
    if (event.key === "Escape" && this.#context) return this.#drop();
    if (event.key === "ArrowUp" && this.#text.value === "" && !this.#context) {
      event.preventDefault();
      return this.#editLast();
    }
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    this.#go();
  }

  #go() {
    if (this.#send.disabled || !this.#submit(this.#text.value, this.#context)) return;
    if (this.#context?.kind !== "edit") this.draft = "";
    this.#drop();
    this.#completion.close();
    this.#changed(this.draft);
  }

  #typed() {
    const box = this.#text;
    const left = this.#most - points(box.value, this.#most - COUNT_FROM_LEFT);
    this.#counter.hidden = left > COUNT_FROM_LEFT;
    this.#counter.textContent = left < 0 ? t("{n} too many", { n: -left }) : t("{n} left", { n: left });
    box.setAttribute("aria-invalid", String(left < 0));
    this.#send.disabled = !this.#open || left < 0 || box.value.trim() === "";
    box.style.setProperty("height", "auto");
    box.style.setProperty("height", `${box.scrollHeight + box.offsetHeight - box.clientHeight}px`);
  }
}

/**
 * @param {string} text
 * @param {number} enough code units below which nobody needs to know
 * @returns {number} code points, or 0 while far from the limit
 */
function points(text, enough) {
  return text.length < enough ? 0 : [...text].length;
}
