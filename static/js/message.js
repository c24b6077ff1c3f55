// Knows how one message looks: its text becomes text nodes, links, and the operator's labels; refuses any other markup, and
// to know where it stands and who else has spoken.

import { cardOf } from "./card.js";
import { byId, make, pressable } from "./dom.js";
import { t, word } from "./words.js";

/**
 * @import { FileRef } from "./payload.js"
 * @import { Loading } from "./transfers.js"
 * @typedef {{text: string, href?: string, host?: string, mention?: string, style?: "bold"|"italic"|"code"}} Part
 * @typedef {{kind: "text"|"quote"|"code", parts: Part[]}} Block
 * @typedef {{nameParts: string, blocked: boolean, filtered: boolean, blocks: Block[], line: string, called: boolean}} Shown
 *   `line`: the beginning of it in one line; `called`: the reader is spoken to
 * @typedef {{sign: string, names: string[], mine: boolean}} Sign
 * @typedef {{id: string, name: string, text: string}} Quote without an id where it is not here
 * @typedef {{member?: string, name: string, text: string, tag: string, hue: number, at: number, own: boolean,
 *   status: "pending"|"sent"|"failed", marks: string[], past?: boolean, me?: boolean, muted: boolean, shown: Shown,
 *   seq?: number, edited?: boolean, erased?: boolean, changing?: boolean, quote?: Quote, signs: Sign[], file?: FileRef,
 *   loading?: Loading}} Message
 * @typedef {"retry"|"cancel"|"copy"|"reply"|"edit"|"erase"|"react"|"more"|"go"|"get"|"stop"} Choice
 * @typedef {(choice: Choice, id: string, detail: string) => void} Act `detail`: of "copy" the text, of "react" the sign
 */

// After a pause as long as this the reader wants to see again who speaks.
const GROUP_MS = 5 * 60 * 1000;

// A sign for the eye and a word; of the usual one the word is for those who hear it.
const FATES = { failed: ["⚠", word("not sent")], pending: ["…", word("sending")], waiting: ["○", word("waiting")], sent: ["✓", word("sent")] };

// As the reader is used to, if the page speaks their language.
const page = globalThis.document?.documentElement.lang;
const language = page && !navigator.language.startsWith(page) ? page : undefined;
const CLOCK = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const DAY = new Intl.DateTimeFormat(language, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
const FULL = new Intl.DateTimeFormat(language, { dateStyle: "full", timeStyle: "medium" });

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
  element.dataset.id = id;
  element.hidden = message.muted;
  element.toggleAttribute("data-own", own);
  element.toggleAttribute("data-me", message.me);
  element.toggleAttribute("data-called", shown.called);
  element.style.setProperty("--hue", String(message.hue));
  const who = [make("bdi", "name", shown.nameParts), " ", make("span", "tag", message.tag)];
  const said = message.erased ? [make("span", "label", t("deleted"))] : textNodes(shown, (code) => act("copy", id, code));
  const text = make("div", "text", ...(message.me ? [...who, " "] : []), ...said);
  text.dir = "auto";
  if (message.edited && !message.erased) text.append(" ", make("span", "edited", t("(edited)")));
  /** @type {HTMLElement[]} */
  const nodes = message.me ? [] : [make("p", "by", ...who)];
  nodes.push(timeOf(message.at));
  if (message.quote && !message.erased) nodes.push(quoteOf(message.quote, act));
  nodes.push(text, fate(message.changing ? "pending" : status, own, away));
  if (message.file && !message.erased && !shown.blocked) nodes.push(cardOf(id, message, act));
  if (message.signs.length) nodes.push(make("p", "signs", ...message.signs.map((sign) => signOf(id, sign, act))));
  if (marks.length) nodes.push(make("p", "marks", ...marks.map((mark) => make("span", "mark", mark))));
  if (status === "failed") {
    const choice = (/** @type {Choice} */ name, /** @type {string} */ label) =>
      pressable(make("button", "small", label), () => act(name, id, message.text));
    nodes.push(make("p", "acts", choice("retry", t("Try again")), choice("copy", t("Copy")), choice("cancel", t("Discard"))));
  }
  replaceChanged(element, nodes);
}

/**
 * @param {Quote} quote
 * @param {Act} act
 */
function quoteOf({ id, name, text }, act) {
  if (!id) return make("p", "quote", t("answers an earlier message"));
  const button = make("button", "plain", make("bdi", "name", name), " ", make("bdi", "", text));
  return make("p", "quote", make("span", "unseen", `${t("answers")} `), pressable(button, () => act("go", id, "")));
}

/**
 * @param {string} id
 * @param {Sign} sign
 * @param {Act} act
 */
function signOf(id, { sign, names, mine }, act) {
  const button = make("button", "small", sign, " ", make("span", "", String(names.length)));
  button.setAttribute("aria-pressed", String(mine));
  button.title = names.join(", ");
  button.setAttribute("aria-label", `${sign} ${names.length}: ${names.join(", ")}`);
  return pressable(button, () => act("react", id, sign));
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
    !message.me &&
    !previous.me &&
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
  const [sign, said] = FATES[status === "pending" && away ? "waiting" : status];
  const drawn = make("span", "", sign);
  drawn.setAttribute("aria-hidden", "true");
  return make("span", "fate", drawn, status === "sent" ? make("span", "unseen", t(said)) : ` ${t(said)}`);
}

/**
 * @param {Shown} shown
 * @param {(code: string) => void} copy
 * @returns {(Node|string)[]}
 */
function textNodes({ blocked, filtered, blocks }, copy) {
  if (blocked) return [label("link")];
  const [only] = blocks;
  const plain = blocks.length === 1 && only?.kind === "text";
  const nodes = plain ? only.parts.flatMap(partNodes) : blocks.map((block) => blockNode(block, copy));
  return filtered ? [...nodes, " ", label("filtered")] : nodes;
}

/**
 * @param {Block} block
 * @param {(code: string) => void} copy
 */
function blockNode({ kind, parts }, copy) {
  if (kind === "text") return make("p", "", ...parts.flatMap(partNodes));
  if (kind === "quote") return make("blockquote", "", ...parts.flatMap(partNodes));
  const code = parts.map(({ text }) => text).join("");
  const box = make("pre", "", make("code", "", code));
  box.tabIndex = 0; // what is wider than the page can be scrolled by the keyboard, too
  return make("div", "code", box, pressable(make("button", "plain small", t("Copy")), () => copy(code)));
}

const STYLES = /** @type {const} */ ({ bold: "strong", italic: "em", code: "code" });

/**
 * @param {Part} part
 * @returns {(Node|string)[]}
 */
function partNodes({ style, ...part }) {
  return style ? [make(STYLES[style], "", ...plainNodes(part))] : plainNodes(part);
}

/**
 * @param {Part} part
 * @returns {(Node|string)[]}
 */
function plainNodes({ text, href, host = "", mention }) {
  if (mention !== undefined) return [make("bdi", "mention", text)];
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
