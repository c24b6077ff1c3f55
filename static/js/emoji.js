// Knows the panel from which an emoji is picked: searched by its name, with the keyboard first; refuses to know what for.

import { byId, make } from "./dom.js";
import { t } from "./words.js";

/** @typedef {{sign: string, name: string}} Emoji */

// More than anybody looks through; a longer search finds the rest.
const SHOWN = 240;

/** @type {Promise<Emoji[]> | undefined} fetched once, when first asked for */
let loading;

async function load() {
  const { default: groups } = await import("emoji");
  const all = groups.flatMap(({ emojis }) => emojis.map(({ emoji, name }) => ({ sign: emoji, name: name.toLowerCase() })));
  // Digits in a box are no pictures: readers would not take them for signs under a message.
  return all.filter(({ name }) => !name.startsWith("keycap"));
}

export class EmojiPanel {
  #panel = byId("emoji", HTMLElement);
  #search = byId("emoji-search", HTMLInputElement);
  #grid = byId("emoji-grid", HTMLElement);
  #count = byId("emoji-count", HTMLElement);
  /** @type {Emoji[]} */
  #all = [];
  /** @type {(sign: string) => void} */
  #then = () => undefined;
  #failed;

  /** @param {() => void} failed the list could not be loaded */
  constructor(failed) {
    this.#failed = failed;
    this.#search.addEventListener("input", () => this.#show());
    this.#panel.addEventListener("keydown", (event) => this.#key(event));
    this.#grid.addEventListener("click", ({ target }) => {
      const button = /** @type {Element} */ (target).closest("button");
      if (button) this.#take(String(button.textContent));
    });
  }

  /** @param {(sign: string) => void} then what is done with the one that is picked */
  async ask(then) {
    this.#then = then;
    this.#search.value = "";
    try {
      this.#all = await (loading ??= load());
    } catch {
      loading = undefined;
      return this.#failed();
    }
    this.#show();
    this.#panel.showPopover();
    this.#search.focus();
  }

  #show() {
    const words = this.#search.value.toLowerCase().split(/\s+/);
    const found = this.#all.filter(({ sign, name }) => sign === this.#search.value || words.every((word) => name.includes(word)));
    this.#grid.replaceChildren(
      ...found.slice(0, SHOWN).map(({ sign, name }, at) => {
        const button = make("button", "plain", sign);
        button.type = "button";
        button.title = name;
        button.setAttribute("aria-label", name);
        button.tabIndex = at === 0 ? 0 : -1;
        return button;
      }),
    );
    this.#grid.scrollTop = 0;
    const [n, all] = [Math.min(found.length, SHOWN), found.length];
    this.#count.textContent = all ? t("{n} of {all} shown", { n, all }) : t("None is called so.");
  }

  /** @param {string} sign */
  #take(sign) {
    this.#panel.hidePopover();
    this.#then(sign);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.isComposing) return;
    const buttons = /** @type {HTMLElement[]} */ ([...this.#grid.children]);
    const now = buttons.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    if (now < 0) {
      if (event.key === "ArrowDown") this.#goTo(buttons[0]);
      else if (event.key === "Enter" && buttons[0]) this.#take(String(buttons[0].textContent));
      else return;
    } else {
      const row = buttons.filter(({ offsetTop }) => offsetTop === buttons[0]?.offsetTop).length;
      const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: row, ArrowUp: -row }[event.key];
      if (step === undefined) return;
      if (now + step < 0) this.#search.focus();
      else this.#goTo(buttons[now + step]);
    }
    event.preventDefault();
  }

  /** @param {HTMLElement | undefined} button */
  #goTo(button) {
    if (!button) return;
    for (const other of this.#grid.querySelectorAll("[tabindex='0']")) /** @type {HTMLElement} */ (other).tabIndex = -1;
    button.tabIndex = 0;
    button.focus();
  }
}
