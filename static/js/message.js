// Knows how one message looks: its text becomes text nodes, links, and the operator's labels; refuses any other markup, and
// to know where it stands and who else has spoken.

import { byId, make } from "./dom.js";

/**
 * @typedef {{text: string, href?: string, host?: string}} Part
 * @typedef {{nameParts: string, blocked: boolean, filtered: boolean, parts: Part[]}} Shown
 * @typedef {{member?: string, name: string, text: string, tag: string, hue: number, at: number, own: boolean,
 *   status: "pending"|"sent"|"failed", marks: string[], past?: boolean, shown: Shown}} Message
 * @typedef {"retry"|"cancel"|"copy"} Choice
 * @typedef {(choice: Choice, id: string, text: string) => void} Act
 */

// After a pause as long as this the reader wants to see again who speaks.
const GROUP_MS = 5 * 60 * 1000;

// A sign for the eye and a word; of the usual one the word is for those who hear it.
const FATES = { failed: ["⚠", "not sent"], pending: ["…", "sending"], waiting: ["○", "waiting"], sent: ["✓", "sent"] };

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

/**
 * @param {HTMLElement} element
 * @param {string} id
 * @param {Message} message
 * @param {boolean} away whether there is no line now on which it could be sent
 * @param {Act} act
 */
export function showMessage(element, id, message, away, act) {
  const { shown, status, own, marks } = message;
  element.dataset.status = status;
  element.toggleAttribute("data-own", own);
  element.style.setProperty("--hue", String(message.hue));
  const by = make("p", "by", make("bdi", "name", shown.nameParts), " ", make("span", "tag", message.tag));
  const text = make("div", "text", ...textNodes(shown));
  text.dir = "auto";
  const nodes = [by, timeOf(message.at), text, fate(status, own, away)];
  if (marks.length) nodes.push(make("p", "marks", ...marks.map((mark) => make("span", "mark", mark))));
  if (status === "failed") {
    const choice = (/** @type {Choice} */ name, /** @type {string} */ label) => {
      const button = make("button", "small", label);
      button.type = "button";
      button.addEventListener("click", () => act(name, id, message.text));
      return button;
    };
    nodes.push(make("p", "acts", choice("retry", "Try again"), choice("copy", "Copy"), choice("cancel", "Discard")));
  }
  replaceChanged(element, nodes);
}

/** @param {number} at within what a Date can hold */
export function dateOf(at) {
  return DAY.format(at);
}

/**
 * Whether a message follows so closely on the same person's that the name need not be shown again.
 * @param {Message} message
 * @param {Message|null} previous
 */
export function belongs(message, previous) {
  return (
    previous !== null &&
    previous.member === message.member &&
    previous.tag === message.tag &&
    previous.hue === message.hue &&
    previous.name === message.name &&
    previous.shown.nameParts === message.shown.nameParts &&
    Math.abs(message.at - previous.at) < GROUP_MS
  );
}

/**
 * Leaves what is the same in its place, so that only news are read out.
 * @param {HTMLElement} element
 * @param {HTMLElement[]} nodes one for each class name
 */
function replaceChanged(element, nodes) {
  const old = new Map([...element.children].map((child) => [child.className, child]));
  for (const node of nodes) {
    const there = old.get(node.className);
    old.delete(node.className);
    if (!there) element.append(node);
    else if (!there.isEqualNode(node)) there.replaceWith(node);
  }
  for (const child of old.values()) child.remove();
}

/** @param {number} at any safe integer: also one beyond what a Date can hold */
function timeOf(at) {
  const element = make("time", "time");
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return element;
  element.dateTime = date.toISOString();
  element.title = FULL.format(date);
  element.textContent = CLOCK.format(date);
  return element;
}

/**
 * @param {Message["status"]} status
 * @param {boolean} own
 * @param {boolean} away
 */
function fate(status, own, away) {
  if (status === "sent" && !own) return make("span", "fate");
  const [sign, word] = FATES[status === "pending" && away ? "waiting" : status];
  const drawn = make("span", "", sign);
  drawn.setAttribute("aria-hidden", "true");
  return make("span", "fate", drawn, status === "sent" ? make("span", "unseen", word) : ` ${word}`);
}

/**
 * @param {Shown} shown
 * @returns {(Node|string)[]}
 */
function textNodes({ blocked, filtered, parts }) {
  if (blocked) return [label("link")];
  const nodes = parts.flatMap(partNodes);
  return filtered ? [...nodes, " ", label("filtered")] : nodes;
}

/**
 * @param {Part} part
 * @returns {(Node|string)[]}
 */
function partNodes({ text, href, host = "" }) {
  if (!href || !/^https?:\/\//i.test(href)) return [text];
  const link = make("a", "", text);
  link.href = href;
  link.target = "_blank";
  link.rel = "noopener noreferrer nofollow";
  return showsHost(text, host) ? [link] : [link, " ", make("bdi", "host", `[${host}]`)];
}

/**
 * Whether the reader can see for themselves where a link leads: its text begins with the host, and the host ends there.
 * @param {string} text
 * @param {string} host
 */
export function showsHost(text, host) {
  const bare = text.toLowerCase().replace(/^https?:\/\//, "");
  return host !== "" && bare.startsWith(host) && /^(?:[/?#]|$)/.test(bare.slice(host.length));
}

/** @param {"link"|"filtered"} name */
function label(name) {
  return make("span", "label", byId(`label-${name}`, HTMLTemplateElement).content.cloneNode(true));
}
