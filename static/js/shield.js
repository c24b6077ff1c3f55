// Knows the shield's panel: what it shows and when the key is covered; refuses to know where the key comes from.

import { byId } from "./dom.js";
import { t } from "./words.js";

export class Shield {
  #panel = byId("shield-panel", HTMLDialogElement);
  #button = byId("show-key", HTMLButtonElement);
  #key = byId("room-key", HTMLElement);

  /** @param {() => void} askForKey */
  constructor(askForKey) {
    byId("shield", HTMLElement).addEventListener("click", () => this.#panel.showModal());
    byId("shield-close", HTMLElement).addEventListener("click", () => this.#panel.close());
    this.#panel.addEventListener("close", () => this.showRoomKey(null));
    this.#button.addEventListener("click", () => {
      if (!this.#key.hidden) return this.showRoomKey(null);
      this.#button.disabled = true;
      this.#button.textContent = t("Making it again…");
      askForKey();
    });
  }

  /** @param {{serverKeyPem: string, serverFingerprint: string, roomFingerprint: string}} facts */
  set({ serverKeyPem, serverFingerprint, roomFingerprint }) {
    byId("server-key", HTMLElement).textContent = serverKeyPem.trim();
    byId("server-fingerprint", HTMLElement).textContent = serverFingerprint;
    byId("room-fingerprint", HTMLElement).textContent = roomFingerprint;
  }

  /** @param {string|null} key null covers it again; so does closing the panel, also while it is being made */
  showRoomKey(key) {
    const shown = key !== null && this.#panel.open;
    this.#key.textContent = shown ? key : "";
    this.#key.hidden = !shown;
    if (shown) this.#key.scrollIntoView({ block: "nearest" });
    this.#button.disabled = false;
    this.#button.textContent = shown ? t("Hide the key") : t("Show the key");
    this.#button.setAttribute("aria-expanded", String(shown));
  }
}
