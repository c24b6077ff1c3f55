// Knows the room page's elements and how each state looks; refuses to know keys, the network, or what a server says.

import { Composer } from "./composer.js";
import { byId, make, sentence } from "./dom.js";
import { People } from "./people.js";
import { Shield } from "./shield.js";
import { Stream } from "./stream.js";
import { keepInView } from "./viewport.js";

/**
 * @import { Choice } from "./message.js"
 * @import { Words } from "./sentences.js"
 */
/**
 * @typedef {"deriving"|"connecting"|"connected"|"offline"|"resynced"|"stopped"} State
 * @typedef {{send: (text: string) => boolean, leave: () => void,
 *   option: () => void, showKey: () => void,
 *   retry: (id: string) => void, cancel: (id: string) => void, reconnect: () => void}} Handlers
 */

// Twelve fill the panel; of a long one its end is enough, no screen is wider.
const WIRE_LINES = 12;
const WIRE_CHARACTERS = 400;
// Nobody sees more of them pass, and each costs as much as some messages.
const WIRE_MS = 150;
// Long enough to be read, then the line is quiet again.
const RESYNCED_MS = 6000;
const SAID_MS = 8000;

/** @type {Record<State, {text: string, open: boolean, again: string}>} */
const STATES = {
  deriving: { text: "Making the room’s key from its name. Slow on purpose: so is every guess.", open: false, again: "" },
  connecting: { text: "Connecting…", open: true, again: "" },
  connected: { text: "Connected, encrypted end to end.", open: true, again: "" },
  offline: { text: "Not connected, trying again. What you write waits here.", open: true, again: "Try now" },
  resynced: { text: "Connected again.", open: true, again: "" },
  stopped: { text: "Not connected.", open: false, again: "Try again" },
};

export class RoomView {
  /** @type {Partial<Handlers>} */
  #handlers = {};
  stream = new Stream((choice, id, text) => this.#act(choice, id, text));
  people = new People();
  shield = new Shield(() => this.#handlers.showKey?.());
  #composer = new Composer((text) => this.#handlers.send?.(text) ?? false);
  #wire = byId("wire", HTMLElement);
  #state = byId("state", HTMLElement);
  #links = byId("option-links", HTMLInputElement);
  #characters = byId("option-characters", HTMLInputElement);
  /** @type {string[]} */
  #caught = [];
  #running = 0;
  #room = "";
  #hidden = false;
  #calm = 0;

  /** @param {Document} page the room page: its ids are looked up here, so no other page can be driven */
  constructor(page) {
    byId("leave", HTMLElement).addEventListener("click", () => this.#handlers.leave?.());
    byId("reconnect", HTMLElement).addEventListener("click", () => this.#handlers.reconnect?.());
    byId("hide-room", HTMLElement).addEventListener("click", () => {
      this.#hidden = !this.#hidden;
      this.#showRoomName();
    });
    byId("copy-room", HTMLElement).addEventListener("click", () => this.#copyRoomName());
    for (const box of [this.#links, this.#characters])
      box.addEventListener("change", () => this.#handlers.option?.());
    page.defaultView?.addEventListener("beforeunload", (event) => {
      if (this.#composer.draft || this.stream.unsent) event.preventDefault();
    });
    keepInView();
  }

  /**
   * @template {keyof Handlers} N
   * @param {N} name
   * @param {Handlers[N]} handler
   */
  on(name, handler) {
    this.#handlers[name] = handler;
  }

  /** What the boxes allow; setting it makes no event. */
  get options() {
    return { links: this.#links.checked, characters: this.#characters.checked };
  }

  set options({ links, characters }) {
    this.#links.checked = links;
    this.#characters.checked = characters;
  }

  /** @param {{room: string, name: string, tag: string, hue: number}} identity */
  setIdentity({ room, name, tag, hue }) {
    this.#room = room;
    this.#showRoomName();
    const mine = byId("my-name", HTMLElement);
    mine.textContent = name;
    mine.style.setProperty("--hue", String(hue));
    byId("my-tag", HTMLElement).textContent = tag;
  }

  /**
   * @param {State} state
   * @param {string} [detail] one sentence
   */
  setState(state, detail = "") {
    const { text, open, again } = STATES[state];
    clearTimeout(this.#calm);
    this.#state.dataset.state = state;
    byId("state-text", HTMLElement).textContent = text;
    byId("state-detail", HTMLElement).textContent = detail;
    byId("progress", HTMLElement).hidden = state !== "deriving";
    const button = byId("reconnect", HTMLButtonElement);
    button.hidden = !again;
    button.textContent = again;
    this.#composer.setOpen(open);
    this.stream.setAway(state !== "connected" && state !== "resynced");
    if (state === "resynced") this.#calm = window.setTimeout(() => this.setState("connected"), RESYNCED_MS);
  }

  /**
   * @param {string} id a notice of the same id is replaced
   * @param {Words} words
   * @param {"quiet"|"warn"|"alarm"} kind quiet ones are seen but not read out
   */
  addNotice(id, words, kind) {
    this.stream.addNotice(id, words, kind);
    if (kind !== "quiet") this.#say(kind === "alarm" ? "say-alert" : "say-status", words);
  }

  /** @param {string} text */
  addCiphertext(text) {
    this.#caught.push(text.slice(-WIRE_CHARACTERS));
    this.#running ||= window.setTimeout(() => this.#run(), WIRE_MS);
  }

  #run() {
    this.#running = 0;
    const lines = this.#caught.splice(0).slice(-WIRE_LINES);
    this.#wire.append(...lines.map((text) => make("li", "", make("span", "", text))));
    while (this.#wire.childElementCount > WIRE_LINES) this.#wire.firstElementChild?.remove();
  }

  /**
   * @param {Choice} choice
   * @param {string} id
   * @param {string} text
   */
  #act(choice, id, text) {
    if (choice === "copy") return void this.#copy(text, "Message");
    this.#composer.focus();
    this.#handlers[choice]?.(id);
  }

  #showRoomName() {
    byId("hide-room", HTMLElement).setAttribute("aria-pressed", String(this.#hidden));
    byId("room-name", HTMLElement).textContent = this.#hidden ? "••••••••" : this.#room;
  }

  async #copyRoomName() {
    byId("copy-room", HTMLElement).toggleAttribute("data-done", await this.#copy(this.#room, "Room name"));
  }

  /**
   * @param {string} text
   * @param {string} what it is
   */
  async #copy(text, what) {
    // Clipboards can be forbidden by the browser or by the person; then the text can still be selected by hand.
    const copied = await navigator.clipboard.writeText(text).then(
      () => true,
      () => false,
    );
    byId("say-seen", HTMLElement).replaceChildren();
    this.#say("say-seen", [copied ? `${what} copied.` : "The browser did not allow copying. Select the text by hand."]);
    return copied;
  }

  /**
   * @param {"say-seen"|"say-status"|"say-alert"} id a live region that is there from the start: new ones often go
   *   unheard; the first is for the eye, too
   * @param {Words} words
   */
  #say(id, words) {
    const line = sentence(words);
    byId(id, HTMLElement).append(line);
    setTimeout(() => line.remove(), SAID_MS);
  }
}
