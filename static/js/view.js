// Knows the room page's elements and how each state looks; refuses to know keys, the network, or what a server says.

import { Acts } from "./acts.js";
import { Attach } from "./attach.js";
import { Composer } from "./composer.js";
import { byId, make, sentence } from "./dom.js";
import { EmojiPanel } from "./emoji.js";
import { Invite } from "./invite.js";
import { Noticing } from "./noticing.js";
import { People } from "./people.js";
import { Shield } from "./shield.js";
import { Stream } from "./stream.js";
import { showTheme } from "./theme.js";
import { keepInView } from "./viewport.js";
import { t, word } from "./words.js";

/**
 * @import { Context } from "./composer.js"
 * @import { Offer } from "./mentions.js"
 * @import { Choice } from "./message.js"
 * @import { Words } from "./sentences.js"
 */
/**
 * @typedef {"deriving"|"connecting"|"connected"|"offline"|"resynced"|"stopped"} State
 * @typedef {"links"|"characters"|"typing"|"sound"|"desktop"|"quiet"} Option
 * @typedef {Record<Option, boolean>} Options
 * @typedef {{send: (text: string, context: Context | null) => boolean, draft: (text: string) => void, leave: () => void,
 *   option: (name: Option, on: boolean) => void, showKey: () => void, mute: (member: string, muted: boolean) => void,
 *   retry: (id: string) => void, cancel: (id: string) => void, erase: (id: string) => void,
 *   react: (id: string, sign: string) => void, theme: (theme: string) => void,
 *   timer: (seconds: number) => void, files: (files: File[]) => void, get: (id: string) => void,
 *   stop: (id: string) => void,
 *   offers: (before: string, names: readonly string[]) => Offer[], reconnect: () => void, reload: () => void}} Handlers
 */

/** Each has a box on the page, and this is what it holds at first. */
export const OPTIONS = /** @type {Readonly<Options>} */ (
  Object.freeze({ links: true, characters: true, typing: true, sound: false, desktop: false, quiet: false })
);
const NAMES = /** @type {Option[]} */ (Object.keys(OPTIONS));

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
  deriving: { text: word("Making the room’s key from its name. Slow on purpose: so is every guess."), open: false, again: "" },
  connecting: { text: word("Connecting…"), open: true, again: "" },
  connected: { text: word("Connected, encrypted end to end."), open: true, again: "" },
  offline: { text: word("Not connected, trying again. What you write waits here."), open: true, again: word("Try now") },
  resynced: { text: word("Connected again."), open: true, again: "" },
  stopped: { text: word("Not connected."), open: false, again: word("Try again") },
};

export class RoomView {
  /** @type {Partial<Handlers>} */
  #handlers = {};
  stream = new Stream((choice, id, text) => this.#act(choice, id, text));
  people = new People((member, muted) => this.#handlers.mute?.(member, muted));
  shield = new Shield(() => this.#handlers.showKey?.());
  noticing;
  #emoji = new EmojiPanel(() => this.tell(t("The emoji could not be loaded. Try again.")));
  #invite = new Invite((text, done) => this.#copy(text, done));
  #composer = new Composer(
    (text, context) => this.#handlers.send?.(text, context) ?? false,
    (text) => this.#handlers.draft?.(text),
    (before) => this.#handlers.offers?.(before, this.people.names) ?? [],
    () => this.#edit(this.stream.lastOwn ?? ""),
  );
  #wire = byId("wire", HTMLElement);
  #state = byId("state", HTMLElement);
  #typing = byId("typing", HTMLElement);
  #theme = byId("theme", HTMLSelectElement);
  #timer = byId("timer", HTMLSelectElement);
  #boxes = new Map(NAMES.map((name) => [name, byId(`option-${name}`, HTMLInputElement)]));
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
    byId("emoji-toggle", HTMLElement).addEventListener("click", () => this.#emoji.ask((sign) => this.#composer.insert(sign)));
    this.#timer.addEventListener("change", () => this.#handlers.timer?.(Number(this.#timer.value)));
    this.#theme.addEventListener("change", () => {
      this.theme = this.#theme.value;
      this.#handlers.theme?.(this.#theme.value);
    });
    this.noticing = new Noticing(page);
    for (const [name, box] of this.#boxes) box.addEventListener("change", () => this.#choose(name, box));
    page.defaultView?.addEventListener("beforeunload", (event) => {
      if (this.#composer.draft.trim() || this.stream.unsent) event.preventDefault();
    });
    new Acts((id) => this.stream.message(id), (choice, id, detail) => this.#act(choice, id, detail));
    new Attach((files) => this.#handlers.files?.(files), (words) => this.tell(words));
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
    return /** @type {Options} */ (Object.fromEntries([...this.#boxes].map(([name, { checked }]) => [name, checked])));
  }

  set options(options) {
    for (const [name, box] of this.#boxes) box.checked = options[name];
    this.noticing.options = options;
  }

  /** @param {string | null} wanted */
  set theme(wanted) {
    this.#theme.value = showTheme(wanted);
  }

  /** @param {number} seconds after which messages vanish; none is shown where it is a time that nobody can choose here */
  set timer(seconds) {
    this.#timer.value = String(seconds);
  }

  /** What is half written; setting it makes no event. */
  get draft() {
    return this.#composer.draft;
  }

  set draft(text) {
    this.#composer.draft = text;
  }

  /** @param {Words} words who is writing, nobody where there are none */
  showTyping(words) {
    const line = sentence(words);
    if (line.textContent !== this.#typing.textContent) this.#typing.replaceChildren(...(words.length ? [line] : []));
  }

  /** @param {string} words for who has just done something, once */
  tell(words) {
    byId("say-seen", HTMLElement).replaceChildren();
    this.#say("say-seen", [words]);
  }

  /** The page is of an earlier build than the site. */
  offerReload() {
    const button = make("button", "small", t("Reload"));
    button.type = "button";
    button.addEventListener("click", () => this.#handlers.reload?.());
    byId("update", HTMLElement).replaceChildren(make("span", "", t("This site has a new version.")), " ", button);
  }

  /** @param {{room: string, link: string, name: string, tag: string, hue: number}} identity `link`: leads into the room */
  setIdentity({ room, link, name, tag, hue }) {
    this.#room = room;
    this.#invite.set(room, link);
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
    byId("state-text", HTMLElement).textContent = t(text);
    byId("state-detail", HTMLElement).textContent = detail;
    byId("progress", HTMLElement).hidden = state !== "deriving";
    const button = byId("reconnect", HTMLButtonElement);
    button.hidden = !again;
    button.textContent = t(again);
    this.#composer.setOpen(open);
    this.stream.setAway(state !== "connected" && state !== "resynced");
    if (state === "resynced") this.#calm = window.setTimeout(() => this.setState("connected"), RESYNCED_MS);
  }

  /**
   * @param {string} id a notice of the same id is replaced
   * @param {Words} words
   * @param {"quiet"|"told"|"warn"|"alarm"} kind quiet ones are seen but not read out
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
   * @param {Option} name
   * @param {HTMLInputElement} box
   */
  async #choose(name, box) {
    this.noticing.options = this.options;
    if (name === "sound" && box.checked) this.noticing.tryOut();
    if (name === "desktop" && box.checked && !(await this.noticing.ask())) {
      box.checked = false;
      this.noticing.options = this.options;
      this.tell(t("The browser does not allow notifications for this site."));
    }
    this.#handlers.option?.(name, box.checked);
  }

  /**
   * @param {Choice} choice
   * @param {string} id
   * @param {string} detail
   */
  #act(choice, id, detail) {
    switch (choice) {
      case "copy":
        return void this.#copy(detail, t("Message copied."));
      case "go":
        return this.stream.goTo(id);
      case "edit":
        return this.#edit(id);
      case "reply": {
        const shown = this.stream.message(id)?.shown;
        if (!shown) return;
        return this.#composer.begin({ kind: "reply", id, label: t("Answering {name}: {text}", { name: shown.nameParts, text: shown.line }) });
      }
      case "react":
        return this.#handlers.react?.(id, detail);
      case "more":
        return void this.#emoji.ask((sign) => this.#handlers.react?.(id, sign));
      case "erase":
      case "get":
      case "stop":
        return this.#handlers[choice]?.(id);
      default:
        this.#composer.focus();
        this.#handlers[choice]?.(id);
    }
  }

  /** @param {string} id */
  #edit(id) {
    const message = this.stream.message(id);
    if (message) this.#composer.begin({ kind: "edit", id, label: t("Editing your message") }, message.text);
  }

  #showRoomName() {
    byId("hide-room", HTMLElement).setAttribute("aria-pressed", String(this.#hidden));
    byId("room-name", HTMLElement).textContent = this.#hidden ? "••••••••" : this.#room;
  }

  /**
   * @param {string} text
   * @param {string} done what to say then
   */
  async #copy(text, done) {
    // Clipboards can be forbidden by the browser or by the person; then the text can still be selected by hand.
    const copied = await navigator.clipboard.writeText(text).then(
      () => true,
      () => false,
    );
    this.tell(copied ? done : t("The browser did not allow copying. Select the text by hand."));
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
