// Knows how a person hands the way into the room to somebody else; refuses to know what becomes of it.

import { byId } from "./dom.js";
import { t } from "./words.js";

export class Invite {
  #room = "";
  #link = "";
  #copy;
  #code = byId("invite-code", SVGElement);

  /** @param {(text: string, done: string) => Promise<boolean>} copy says `done` and answers whether it worked */
  constructor(copy) {
    this.#copy = copy;
    this.#on("invite-copy", () => this.#link, t("Link copied."));
    this.#on("copy-room", () => this.#room, t("Room name copied."));
    const share = byId("invite-share", HTMLButtonElement);
    share.hidden = !("share" in navigator);
    // Whoever changes their mind there has done nothing wrong.
    share.addEventListener("click", () => navigator.share({ url: this.#link }).catch(() => undefined));
    byId("invite", HTMLElement).addEventListener("toggle", (event) => {
      // Nobody who looks on sees it before it is asked for.
      this.#show(/** @type {ToggleEvent} */ (event).newState === "open" ? this.#link : "");
    });
  }

  /** @param {string} link */
  async #show(link) {
    byId("invite-link", HTMLElement).textContent = link;
    this.#code.toggleAttribute("hidden", true);
    if (!link) return;
    try {
      const { encode } = await import("uqr");
      const { data, size } = encode(link, { border: 2 });
      const dark = data.flatMap((row, y) => row.flatMap((is, x) => (is ? [`M${x} ${y}h1v1h-1z`] : [])));
      this.#code.setAttribute("viewBox", `0 0 ${size} ${size}`);
      this.#code.querySelector("path")?.setAttribute("d", dark.join(""));
      this.#code.toggleAttribute("hidden", false);
    } catch {
      // Too long for a code, or the library did not come: the link is there all the same.
    }
  }

  /**
   * @param {string} room
   * @param {string} link
   */
  set(room, link) {
    this.#room = room;
    this.#link = link;
  }

  /**
   * @param {string} id
   * @param {() => string} text
   * @param {string} done
   */
  #on(id, text, done) {
    const button = byId(id, HTMLButtonElement);
    button.addEventListener("click", async () => button.toggleAttribute("data-done", await this.#copy(text(), done)));
  }
}
