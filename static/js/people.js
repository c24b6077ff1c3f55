// Knows the list of people in the room; refuses to know who they are: that is what signatures say.

import { beforePaint, byId, make } from "./dom.js";
import { t } from "./words.js";

/**
 * @typedef {{member: string, name: string|null, tag: string, card: string, hue: number, me: boolean,
 *   confirmed: boolean, marked: boolean, muted?: boolean}} Person
 */

export class People {
  #list = byId("people", HTMLElement);
  #counts = [byId("people-count", HTMLElement), byId("people-badge", HTMLElement)];
  /** @type {Map<string, {element: HTMLLIElement, shows: string}>} what stands there, so that an open card stays open */
  #rows = new Map();
  /** @type {Person[]} */
  #people = [];
  #mute;

  /** @param {(member: string, muted: boolean) => void} mute what the reader wants of somebody */
  constructor(mute) {
    this.#mute = mute;
  }

  /** As they are shown, without the reader's own. */
  get names() {
    return this.#people.flatMap(({ name, me }) => (name === null || me ? [] : [name]));
  }

  /** @param {Person[]} people */
  set(people) {
    this.#people = people;
    this.#draw();
  }

  #draw = beforePaint(() => {
    const rows = new Map();
    for (const person of this.#people) rows.set(person.member, this.#row(person));
    for (const [member, { element }] of this.#rows) if (!rows.has(member)) element.remove();
    this.#rows = rows;
    [...rows.values()].forEach(({ element }, at) => {
      const there = this.#list.children[at];
      if (there !== element) this.#list.insertBefore(element, there ?? null);
    });
    for (const count of this.#counts) count.textContent = String(this.#people.length);
  });

  /** @param {Person} person */
  #row(person) {
    const shows = JSON.stringify(person);
    const known = this.#rows.get(person.member);
    if (known?.shows === shows) return known;
    const element = known?.element ?? make("li", "person");
    const open = element.querySelector("details")?.open ?? false;
    const focused = document.activeElement;
    const within = element.contains(focused) ? focused?.tagName : undefined;
    element.dataset.member = person.member;
    element.toggleAttribute("data-confirmed", person.confirmed);
    element.style.setProperty("--hue", String(person.hue));
    const details = card(person, this.#mute);
    details.open = open;
    element.replaceChildren(details);
    if (within) /** @type {HTMLElement | null} */ (details.querySelector(within))?.focus();
    return { element, shows };
  }
}

/**
 * @param {Person} person
 * @param {(member: string, muted: boolean) => void} mute
 */
function card(person, mute) {
  const name =
    person.name === null ? make("span", "name unreadable", t("unreadable member")) : make("bdi", "name", person.name);
  const summary = make("summary", "", name, " ", make("span", "tag", person.tag));
  for (const note of notes(person)) summary.append(" ", make("span", "note", note));
  const letters = person.card.replace(/(.{4})(?=.)/g, "$1 ");
  const details = make("details", "", summary, make("p", "print", letters), make("p", "", about(person)));
  details.name = "person";
  if (!person.me) {
    const button = make("button", "small", person.muted ? t("Hear again") : t("Mute"));
    button.type = "button";
    button.addEventListener("click", () => mute(person.member, !person.muted));
    details.append(make("p", "", button));
  }
  return details;
}

/** @param {Person} person */
function notes({ me, confirmed, marked, muted }) {
  const states = /** @type {[boolean, string][]} */ ([
    [me, t("you")],
    [!confirmed && !me, t("not confirmed")],
    [marked, t("look-alike tag")],
    [muted, t("muted")],
  ]);
  return states.flatMap(([holds, note]) => (holds ? [note] : []));
}

/** @param {Person} person */
function about({ me, name, confirmed, marked }) {
  if (me) return t("Your tag in this tab. Read it to somebody, and they know which of two people with one name you are.");
  if (name === null) return t("The server lists somebody whose name cannot be opened with this room’s key.");
  if (marked) return t("This tag came later and looks like somebody else’s. Compare all twenty letters before you trust it.");
  if (!confirmed) return t("The server lists this person, but nothing freshly signed by them has arrived yet.");
  return t("Signed something fresh: this person is here. Compare the letters to know who it is.");
}
