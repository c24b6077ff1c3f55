// Knows the box in which a message is written; refuses to know what becomes of it.

import { byId } from "./dom.js";

// Nobody wants to see a number while there is room: it appears over the last stretch.
const COUNT_FROM_LEFT = 500;

export class Composer {
  #text = byId("text", HTMLTextAreaElement);
  #send = byId("send", HTMLButtonElement);
  #counter = byId("counter", HTMLElement);
  #most = Number(document.body.dataset.maxText) || 10_000;
  #open = false;
  /** @type {(text: string) => boolean} */
  #submit;

  /** @param {(text: string) => boolean} submit answers whether the text was taken */
  constructor(submit) {
    this.#submit = submit;
    this.#text.addEventListener("input", () => this.#typed());
    this.#text.addEventListener("keydown", (event) => this.#key(event));
    this.#send.addEventListener("click", () => this.#go());
    this.#typed();
  }

  get draft() {
    return this.#text.value.trim() !== "";
  }

  /** @param {boolean} open whether what is written would be taken now */
  setOpen(open) {
    this.#open = open;
    this.#typed();
  }

  focus() {
    this.#text.focus();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    // 229: Safari ends a composition before the Enter that closed it arrives.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    this.#go();
  }

  #go() {
    if (this.#send.disabled || !this.#submit(this.#text.value)) return;
    this.#text.value = "";
    this.#typed();
    this.#text.focus();
  }

  #typed() {
    const box = this.#text;
    const left = this.#most - points(box.value, this.#most - COUNT_FROM_LEFT);
    this.#counter.hidden = left > COUNT_FROM_LEFT;
    this.#counter.textContent = left < 0 ? `${-left} too many` : `${left} left`;
    box.setAttribute("aria-invalid", String(left < 0));
    this.#send.disabled = !this.#open || left < 0 || !this.draft;
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
