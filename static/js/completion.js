// Knows the list of what could complete the word that is being written, and how it is chosen from; refuses to know what
// is offered.

import { byId, make } from "./dom.js";

/** @import { Offer } from "./mentions.js" */

export class Completion {
  #box;
  #offersFor;
  #list = byId("completion", HTMLElement);
  /** @type {Offer[]} */
  #offers = [];
  #at = 0;

  /**
   * @param {HTMLTextAreaElement} box
   * @param {(before: string) => Offer[]} offersFor given the text up to the cursor
   */
  constructor(box, offersFor) {
    this.#box = box;
    this.#offersFor = offersFor;
    box.addEventListener("blur", () => this.close());
    // A press would take the focus, and a phone's keyboard with it.
    this.#list.addEventListener("pointerdown", (event) => event.preventDefault());
    this.#list.addEventListener("click", ({ target }) => {
      const at = [...this.#list.children].findIndex((option) => option.contains(/** @type {Node} */ (target)));
      if (at >= 0) this.#take(at);
    });
  }

  /** After whatever has changed the text or the cursor. */
  look() {
    const { selectionStart, selectionEnd, value } = this.#box;
    const before = value.slice(0, selectionStart);
    const offers = selectionStart === selectionEnd ? this.#offersFor(before) : [];
    // What is already written need not be offered.
    const written = offers.length === 1 && before.slice(offers[0]?.from) === offers[0]?.text.trimEnd();
    this.#show(written ? [] : offers);
  }

  close() {
    this.#show([]);
  }

  /**
   * @param {KeyboardEvent} event
   * @returns {boolean} whether it was meant for the list
   */
  key(event) {
    if (this.#offers.length === 0 || event.isComposing || event.shiftKey) return false;
    const last = this.#offers.length - 1;
    switch (event.key) {
      case "ArrowDown":
        this.#choose(this.#at === last ? 0 : this.#at + 1);
        break;
      case "ArrowUp":
        this.#choose(this.#at === 0 ? last : this.#at - 1);
        break;
      case "Enter":
      case "Tab":
        this.#take(this.#at);
        break;
      case "Escape":
        this.close();
        break;
      default:
        return false;
    }
    event.preventDefault();
    return true;
  }

  /** @param {Offer[]} offers */
  #show(offers) {
    this.#offers = offers;
    this.#list.hidden = offers.length === 0;
    this.#list.replaceChildren(
      ...offers.map(({ label, about }, at) => {
        const option = make("li", "", make("bdi", "", label), " ", make("span", "hint", about));
        option.id = `completion-${at}`;
        option.role = "option";
        return option;
      }),
    );
    if (offers.length > 0) this.#choose(0);
    else this.#box.removeAttribute("aria-activedescendant");
  }

  /** @param {number} at */
  #choose(at) {
    this.#at = at;
    [...this.#list.children].forEach((option, other) => option.setAttribute("aria-selected", String(other === at)));
    this.#list.children[at]?.scrollIntoView({ block: "nearest" });
    this.#box.setAttribute("aria-activedescendant", `completion-${at}`);
  }

  /** @param {number} at */
  #take(at) {
    const offer = this.#offers[at];
    if (!offer) return;
    this.#box.setRangeText(offer.text, offer.from, this.#box.selectionStart, "end");
    this.close();
    this.#box.dispatchEvent(new Event("input"));
  }
}
