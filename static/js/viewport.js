// Knows what is in view: of the conversation, for whoever reads it, and of the page above a phone's keyboard; refuses to
// know what is said.

import { beforePaint, byId } from "./dom.js";
import { t } from "./words.js";

// Within this distance of the end the reader is taken to be following.
const NEAR_END_PX = 48;

export class Reader {
  #scroller = byId("stream", HTMLElement);
  #jump = byId("jump", HTMLButtonElement);
  #following = true;
  #moved = false;
  #unseen = 0;
  #height = 0;
  #top = 0;

  constructor() {
    this.#scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#jump.addEventListener("click", () => this.#toEnd("smooth"));
    new ResizeObserver(() => this.#resized()).observe(this.#scroller);
  }

  /** @param {boolean} own whether it was the reader who said something */
  told(own) {
    if (own) this.#following = true;
    else if (!this.#following) this.#unseen++;
  }

  /** After whatever has changed the list. */
  follow() {
    this.#judge();
    if (this.#following) this.#toEnd("instant");
    this.#showJump();
  }

  #resized() {
    this.#height = this.#scroller.clientHeight;
    if (this.#following) this.#toEnd("instant");
  }

  #scrolled() {
    this.#moved = true;
    this.#look();
  }

  // Not at once: the text may have changed since it was last laid out, and is laid out for the next picture anyway.
  #look = beforePaint(() => {
    this.#judge();
    this.#showJump();
  });

  #judge() {
    if (!this.#moved) return;
    this.#moved = false;
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    // A window that changed its size, not a reader, moved the text: a keyboard came up.
    if (clientHeight !== this.#height) return;
    // Nor is it a reader's doing that something has just come below: who stops following moves up.
    if (scrollHeight - scrollTop - clientHeight < NEAR_END_PX) this.#following = true;
    else if (scrollTop < this.#top) this.#following = false;
    this.#top = scrollTop;
    if (this.#following) this.#unseen = 0;
  }

  #showJump() {
    this.#jump.hidden = this.#following;
    const text = this.#unseen ? `↓ ${t("{n} new", { n: this.#unseen })}` : `↓ ${t("Newest")}`;
    if (this.#jump.textContent !== text) this.#jump.textContent = text;
  }

  /** @param {ScrollBehavior} behavior */
  #toEnd(behavior) {
    this.#scroller.scrollTo({ top: this.#scroller.scrollHeight, behavior: isCalm() ? "instant" : behavior });
  }
}

/** Whether the system asks for nothing that moves. */
export function isCalm() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/** Browsers that lay the keyboard over the page tell it through the visual viewport alone. */
export function keepInView() {
  const seen = window.visualViewport;
  if (!seen) return;
  const fit = () => {
    // Somebody who magnifies the page wants to move over it, not to have it shrunk to the lens.
    const magnified = Math.abs(seen.scale - 1) > 0.01;
    const style = document.documentElement.style;
    style.setProperty("--view-height", magnified ? "100dvh" : `${seen.height}px`);
    style.setProperty("--view-top", magnified ? "0px" : `${seen.offsetTop}px`);
  };
  seen.addEventListener("resize", fit);
  seen.addEventListener("scroll", fit);
  fit();
}
