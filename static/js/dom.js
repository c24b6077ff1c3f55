// Knows how to find, make and redraw elements; refuses markup: every string becomes a text node.

/** @import { Words } from "./sentences.js" */

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {string} [className]
 * @param {...(Node|string)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, className = "", ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

/**
 * @param {Words} words
 * @returns {HTMLElement} a line in which no name changes how what stands beside it is read
 */
export function sentence(words) {
  return make("span", "", ...words.map((word) => (typeof word === "string" ? word : make("bdi", "", word.name))));
}

/**
 * @param {HTMLButtonElement} button
 * @param {() => void} press
 */
export function pressable(button, press) {
  button.type = "button";
  button.addEventListener("click", press);
  return button;
}

/**
 * @template {Element} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T} the page's element; a page without it is broken, so this throws
 */
export function byId(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`#${id} is missing`);
  return found;
}

/**
 * For what looks at the whole page: a server that floods it with events must not make it draw more than can be seen.
 * @param {() => void} step
 * @returns {() => void} asks for `step` before the next picture, once however often it is asked
 */
export function beforePaint(step) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      step();
    });
  };
}
