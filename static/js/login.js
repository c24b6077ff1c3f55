// Knows the login page: two names, whether they are good, and the way to the room; refuses to know keys and the network.

import { unsupported } from "./crypto.js";
import { byId, make } from "./dom.js";
import { dashed, NameError, normalizeRoom, normalizeUsername, ROOM_PREFIX } from "./names.js";
import { USERNAME_FAULTS } from "./sentences.js";
import { keepShell } from "./shell.js";
import { guessesFor, invitedTo, strongRoom, verdict } from "./strength.js";
import { showTheme } from "./theme.js";
import { learn, t, word } from "./words.js";

// Nobody is told that a name is too short while still at the second letter.
const PAUSE_MS = 700;

const { words } = document.body.dataset;
if (words) await learn(fetch(words));

/** @type {Record<string, string>} */
const ROOM_FAULTS = {
  empty: word("A room needs a name."),
  "too-long": word("At most 128 characters."),
  surrogate: word("This name has a broken character in it."),
};

/** A labelled box: what is typed, what it means, and what is said beside it. */
class Field {
  /** @type {string|null} the name as everything else uses it, null while it is not good */
  value = null;
  #calm;
  #timer = 0;

  /**
   * @param {string} id
   * @param {(typed: string) => string} normalize throws NameError
   * @param {Record<string, string>} faults
   * @param {() => void} changed
   */
  constructor(id, normalize, faults, changed) {
    this.box = byId(id, HTMLInputElement);
    this.hint = byId(`${id}-hint`, HTMLElement);
    this.#calm = this.hint.textContent ?? "";
    this.normalize = normalize;
    this.faults = faults;
    this.changed = changed;
    this.box.addEventListener("input", (event) => event instanceof InputEvent && event.isComposing || this.read());
    this.box.addEventListener("compositionend", () => this.read());
    this.box.addEventListener("blur", () => this.#judge());
  }

  /** @param {string} text */
  fill(text) {
    this.box.value = dashed(text);
    this.read();
    this.#judge();
  }

  read() {
    const { box } = this;
    const caret = dashed(box.value.slice(0, box.selectionStart ?? box.value.length)).length;
    const text = dashed(box.value);
    if (text !== box.value) {
      box.value = text;
      box.setSelectionRange(caret, caret);
    }
    const fault = this.#normalized();
    box.toggleAttribute("data-good", this.value !== null);
    clearTimeout(this.#timer);
    if (!fault) this.#say("");
    else this.#timer = setTimeout(() => this.#judge(), PAUSE_MS);
    this.changed();
  }

  /** Says at once what is missing, also of a box that nobody has touched. */
  demand() {
    this.#say(t(this.faults[this.#normalized()] ?? ""));
    this.box.focus();
  }

  #judge() {
    clearTimeout(this.#timer);
    const fault = this.#normalized();
    this.#say(fault === "empty" || this.box.value === "" ? "" : t(this.faults[fault] ?? ""));
  }

  /** @returns {string} what is wrong, "" when nothing is */
  #normalized() {
    this.value = null;
    try {
      this.value = this.normalize(this.box.value);
      return "";
    } catch (error) {
      if (error instanceof NameError) return error.code;
      throw error;
    }
  }

  /** @param {string} fault */
  #say(fault) {
    const sentence = fault || this.#calm;
    // The same words again would be read out again.
    if (this.hint.textContent !== sentence) this.hint.textContent = sentence;
    this.box.setAttribute("aria-invalid", String(fault !== ""));
  }
}

const fields = byId("fields", HTMLFieldSetElement);
const enter = byId("enter", HTMLButtonElement);
const whole = byId("room-whole", HTMLElement);
const strength = byId("strength", HTMLElement);
const room = new Field("room", normalizeRoom, ROOM_FAULTS, roomChanged);
const username = new Field("username", normalizeUsername, USERNAME_FAULTS, showEnter);
let measuring = 0;

function showEnter() {
  enter.disabled = room.value === null || username.value === null;
}

function roomChanged() {
  showEnter();
  const { box } = room;
  whole.hidden = box.scrollWidth <= box.clientWidth;
  whole.textContent = box.value;
  clearTimeout(measuring);
  if (room.value === null) showStrength("", "");
  else measuring = setTimeout(measure, PAUSE_MS);
}

async function measure() {
  const measured = room.value;
  if (measured === null) return;
  try {
    const { level, sentence } = verdict(await guessesFor(measured));
    if (room.value === measured) showStrength(String(level), sentence);
  } catch {
    // The estimator is help, not a gate: without it one can still enter.
    showStrength("", t("How strong this name is could not be measured."));
  }
}

/**
 * @param {string} level
 * @param {string} sentence
 */
function showStrength(level, sentence) {
  strength.dataset.level = level;
  if (strength.textContent !== sentence) strength.textContent = sentence;
}

/**
 * @param {...Node} content
 * @returns {false}
 */
function refuse(...content) {
  const notice = byId("notice", HTMLElement);
  notice.replaceChildren(...content);
  notice.hidden = false;
  fields.disabled = true;
  return false;
}

/** Without cryptography no name is asked for. */
async function usable() {
  if (!window.isSecureContext) return refuse(...insecure());
  const missing = await unsupported();
  if (missing.length === 0) return true;
  return refuse(make("p", "", 
    t("This browser lacks {what}. Please update it: current versions of Firefox, Chromium and Safari will do.", { what: missing.join(", ") }),
  ));
}

function insecure() {
  const secure = make("a", "", `https://${location.host}/`);
  secure.href = `https://${location.host}/${room.value ? `#room=${encodeURIComponent(room.value)}` : ""}`;
  return [
    make("p", "", make("strong", "", t("This page is not secure.")), " ", t("Browsers encrypt only on pages that came over https, or from the same machine.")),
    make("p", "", t("Open this instead:"), " ", secure),
    make("p", "", t("Or, on the machine itself:"), " ", make("b", "", `http://localhost:${location.port || 80}/`)),
    make("p", "hint", t("Do you run this site? Started with --ip and the address that others use, it serves https by itself; behind a proxy, let the proxy serve https.")),
  ];
}

function go() {
  if (room.value === null) return room.demand();
  if (username.value === null) return username.demand();
  try {
    // What was half written in one room is not for another.
    if (sessionStorage.getItem("chatsite.room") !== room.value) sessionStorage.removeItem("chatsite.draft");
    sessionStorage.setItem("chatsite.room", room.value);
    sessionStorage.setItem("chatsite.name", username.value);
    sessionStorage.setItem("chatsite.enter", "1");
  } catch {
    refuse(make("p", "", t("The browser refuses to remember the names for this tab (session storage). Please allow it for this site.")));
    return;
  }
  location.assign(`/room${location.search}`);
}

function readInvite() {
  const invited = invitedTo(location.hash);
  if (location.hash) history.replaceState(history.state, "", location.pathname + location.search);
  if (invited === null) return;
  room.fill(invited);
  username.box.focus();
}

function remember() {
  try {
    showTheme(sessionStorage.getItem("chatsite.theme"));
    room.fill(sessionStorage.getItem("chatsite.room") ?? "");
    username.fill(sessionStorage.getItem("chatsite.name") ?? "");
  } catch {
    // A tab without storage starts with empty boxes; go() says what is needed.
  }
}

room.box.addEventListener("focus", () => {
  if (room.box.value !== "") return;
  room.box.value = ROOM_PREFIX;
  // Browsers put the cursor where the finger was, after this event.
  requestAnimationFrame(() => room.box.setSelectionRange(ROOM_PREFIX.length, ROOM_PREFIX.length));
});
room.box.addEventListener("paste", (event) => {
  const pasted = event.clipboardData?.getData("text/plain") ?? "";
  if (pasted === "") return;
  const invited = invitedTo(pasted);
  event.preventDefault();
  if (invited !== null || room.box.value === ROOM_PREFIX) return room.fill(invited ?? pasted.trim());
  // Left to itself the box would drop line breaks and join the words around them.
  room.box.setRangeText(dashed(pasted), room.box.selectionStart ?? 0, room.box.selectionEnd ?? 0, "end");
  room.read();
});
for (const { box } of [room, username])
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.isComposing) go();
  });
byId("generate", HTMLElement).addEventListener("click", async () => {
  room.fill(await strongRoom());
  whole.hidden = false;
});
const language = byId("language", HTMLSelectElement);
language.addEventListener("change", () => (location.search = `lang=${language.value}`));
enter.addEventListener("click", go);
addEventListener("hashchange", readInvite);

remember();
readInvite();
keepShell();
if (await usable()) {
  fields.disabled = false;
  if (!enter.disabled) enter.focus();
  else if (room.value !== null) username.box.focus();
}
