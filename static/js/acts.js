// Knows the row of buttons over the message at hand: which message that is, and how one comes to it with a mouse, a
// finger or the keyboard; refuses to know what the buttons do.

import { byId } from "./dom.js";
import { t } from "./words.js";

/** @import { Act, Choice, Message } from "./message.js" */

const OVERLAP = 12; // pixels
const NOWHERE = [-1, -1];

export class Acts {
  #row = byId("acts", HTMLElement);
  #stream = byId("stream", HTMLElement);
  #buttons = [...this.#row.querySelectorAll("button")];
  #erase = this.#buttons.find(({ dataset }) => dataset.choice === "erase");
  #eraseLabel = this.#erase?.getAttribute("aria-label") ?? "";
  /** @type {HTMLElement | null} */
  #at = null;
  #mouse = NOWHERE;
  #find;
  #act;

  /**
   * @param {(id: string) => Message | null | undefined} find
   * @param {Act} act
   */
  constructor(find, act) {
    this.#find = find;
    this.#act = act;
    for (const button of this.#buttons) button.addEventListener("click", () => this.#press(button));
    this.#row.addEventListener("keydown", (event) => this.#moveAlong(event));
    const stream = this.#stream;
    stream.addEventListener("keydown", (event) => this.#moveUpAndDown(event));
    stream.addEventListener("scroll", () => this.#place(), { passive: true });
    stream.addEventListener("pointermove", (event) => this.#move(event));
    // A finger leaves when it is lifted, before what it has pressed is told.
    stream.parentElement?.addEventListener("pointerleave", ({ pointerType }) => {
      if (pointerType !== "mouse") return;
      this.#mouse = NOWHERE;
      this.#point(null);
    });
    stream.addEventListener("click", ({ target }) => {
      // A finger has no other way; it may also have selected something, or pressed what can be pressed.
      if (matchMedia("(hover: hover)").matches || getSelection()?.toString()) return;
      const at = /** @type {Element} */ (target).closest("a, button") ? null : messageAt(target);
      this.#show(at === this.#at ? null : at);
    });
  }

  hide() {
    this.#show(null);
  }

  /**
   * Browsers tell of a move also where only the page has moved under a mouse that rests; that asks for nothing.
   * @param {PointerEvent} event
   */
  #move({ pointerType, screenX, screenY, target }) {
    const [x, y] = this.#mouse;
    this.#mouse = [screenX, screenY];
    if (pointerType === "mouse" && (x !== screenX || y !== screenY)) this.#point(messageAt(target));
  }

  /** @param {HTMLElement | null} at what the mouse points at */
  #point(at) {
    if (at !== this.#at && !this.#row.contains(document.activeElement)) this.#show(at);
  }

  /** @param {HTMLElement | null} at */
  #show(at) {
    const message = at && this.#find(at.dataset.id ?? "");
    const ready = message && message.status === "sent" && message.seq !== undefined && !message.erased;
    this.#at = ready ? at : null;
    this.#row.hidden = !ready;
    if (!ready) return;
    for (const button of this.#buttons) button.hidden = !fits(button.dataset, message);
    this.#ask(false);
    this.#place();
  }

  /** Beside its message, while that can be seen. */
  #place() {
    if (!this.#at) return;
    const view = this.#stream.getBoundingClientRect();
    const { top, bottom } = this.#at.getBoundingClientRect();
    const seen = bottom > view.top && top < view.bottom;
    if (!seen && !this.#row.contains(document.activeElement)) return this.hide();
    const height = this.#row.offsetHeight;
    // So that it touches its message and hides as little of it as can be.
    const above = top - view.top - height + OVERLAP;
    const below = Math.min(bottom - view.top - OVERLAP, view.height - height);
    this.#row.style.setProperty("top", `${above < 0 ? below : above}px`);
  }

  /** @param {HTMLButtonElement} button */
  #press(button) {
    const at = this.#at;
    const id = at?.dataset.id ?? "";
    const { choice, sign } = button.dataset;
    if (button === this.#erase && !("sure" in button.dataset)) return this.#ask(true);
    const text = this.#find(id)?.text ?? "";
    this.hide();
    at?.focus();
    this.#act(/** @type {Choice} */ (choice), id, sign ?? text);
  }

  /** @param {boolean} asked whether what cannot be undone has been asked for once */
  #ask(asked) {
    if (!this.#erase) return;
    this.#erase.toggleAttribute("data-sure", asked);
    this.#erase.setAttribute("aria-label", asked ? t("Really delete?") : this.#eraseLabel);
    this.#erase.title = asked ? t("Really delete?") : this.#eraseLabel;
  }

  /** @param {KeyboardEvent} event */
  #moveAlong(event) {
    const shown = this.#buttons.filter(({ hidden }) => !hidden);
    const now = shown.indexOf(/** @type {HTMLButtonElement} */ (document.activeElement));
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (event.key === "Escape") {
      const at = this.#at;
      this.hide();
      at?.focus();
    } else if (step) shown.at((now + step) % shown.length)?.focus();
    else return;
    event.preventDefault();
  }

  /** @param {KeyboardEvent} event */
  #moveUpAndDown(event) {
    const at = messageAt(event.target);
    if (event.target !== this.#stream && event.target !== at) return;
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (at && (event.key === "Enter" || event.key === "ContextMenu")) {
      this.#show(at);
      if (!this.#row.hidden) this.#buttons.find(({ hidden }) => !hidden)?.focus();
    } else if (at && event.key === "Escape") this.#stream.focus();
    else if (step && (at || step < 0)) this.#goTo(at, step);
    else return;
    event.preventDefault();
  }

  /**
   * @param {HTMLElement | null} at
   * @param {number} step
   */
  #goTo(at, step) {
    const all = /** @type {HTMLElement[]} */ ([...this.#stream.querySelectorAll("li.message:not([hidden])")]);
    const next = at ? all[all.indexOf(at) + step] : all.at(-1);
    if (!next) return;
    next.tabIndex = -1;
    next.focus();
  }
}

/**
 * @param {DOMStringMap} button
 * @param {Message} message the name of a file is not changed
 */
function fits({ own, choice }, message) {
  return (own === undefined || message.own) && !(choice === "edit" && message.file);
}

/**
 * @param {EventTarget | null} target
 * @returns {HTMLElement | null}
 */
function messageAt(target) {
  return target instanceof Element ? target.closest("li.message") : null;
}
