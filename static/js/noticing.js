// Knows how somebody who looks elsewhere is told that something was said: never what, nor by whom.

import { t } from "./words.js";

// A room that talks fast rings now and then.
const RING_MS = 3_000;
const MANY = 99;

export class Noticing {
  /** @type {{sound: boolean, desktop: boolean, quiet: boolean}} what the person wants; `quiet`: nothing of it now */
  options = { sound: false, desktop: false, quiet: false };
  #page;
  #title;
  #icon;
  #plain;
  #unread = 0;
  #rang = 0;
  /** @type {AudioContext | undefined} */
  #audio;

  /** @param {Document} page */
  constructor(page) {
    this.#page = page;
    this.#title = page.title;
    this.#icon = /** @type {HTMLLinkElement} */ (page.querySelector("link[rel=icon]"));
    this.#plain = this.#icon.href;
    page.addEventListener("visibilitychange", () => this.#look());
    page.defaultView?.addEventListener("focus", () => this.#look());
  }

  /** Something was said that is to be read. */
  heard() {
    if (this.#here) return;
    this.#unread++;
    this.#show();
    if (this.options.quiet || Date.now() - this.#rang < RING_MS) return;
    this.#rang = Date.now();
    if (this.options.sound) this.#ring();
    if (this.options.desktop) this.#notify();
  }

  /** A sound, in answer to the person's own click: before one, browsers let pages make none. */
  tryOut() {
    this.#ring();
  }

  /** @returns {Promise<boolean>} whether the person and the browser allow notifications */
  async ask() {
    return "Notification" in globalThis && (await Notification.requestPermission()) === "granted";
  }

  get #here() {
    return !this.#page.hidden && this.#page.hasFocus();
  }

  #look() {
    if (!this.#here) return;
    this.#unread = 0;
    this.#show();
  }

  #show() {
    const unread = this.#unread > MANY ? `${MANY}+` : this.#unread;
    this.#page.title = unread ? `(${unread}) ${this.#title}` : this.#title;
    const icon = (unread && this.#icon.dataset.unread) || this.#plain;
    if (this.#icon.href !== icon) this.#icon.href = icon;
  }

  #ring() {
    const audio = (this.#audio ??= new AudioContext());
    const [tone, volume, now] = [audio.createOscillator(), audio.createGain(), audio.currentTime];
    tone.frequency.setValueAtTime(660, now);
    tone.frequency.setValueAtTime(880, now + 0.09);
    volume.gain.setValueAtTime(0.08, now);
    volume.gain.exponentialRampToValueAtTime(0.0001, now + 0.35);
    tone.connect(volume).connect(audio.destination);
    tone.start(now);
    tone.stop(now + 0.35);
  }

  #notify() {
    try {
      const note = new Notification(this.#title, { body: t("Something was said."), tag: "chatsite", icon: this.#plain });
      note.addEventListener("click", () => {
        this.#page.defaultView?.focus();
        note.close();
      });
    } catch {
      // Phones let only service workers show them; the count in the title is there all the same.
    }
  }
}
