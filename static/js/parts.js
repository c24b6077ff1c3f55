// Knows how a message's parts become nodes: text nodes, links, and the operator's labels; refuses any other markup.

import { byId, make } from "./dom.js";

/**
 * @param {{blocked: boolean, filtered: boolean, parts: {text: string, href?: string, host?: string}[]}} shown
 * @returns {(Node|string)[]}
 */
export function textNodes({ blocked, filtered, parts }) {
  if (blocked) return [label("link")];
  const nodes = parts.flatMap(partNodes);
  return filtered ? [...nodes, " ", label("filtered")] : nodes;
}

/**
 * @param {{text: string, href?: string, host?: string}} part
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
