// Knows how Node runs the KDF worker: the very file, in this process, with the few globals of a worker.

import { deriveSecret } from "../../static/js/kdf.js";

/** @import { WorkerLike } from "../../static/js/kdf.js" */

/** @typedef {(event: {data: unknown}) => void} Listener */

/**
 * @param {string} name a normalised room name
 * @param {Uint8Array<ArrayBuffer>} salt
 */
export function derive(name, salt) {
  return deriveSecret("../../static/js/kdf-worker.js", name, salt, startWorker);
}

/**
 * @param {unknown} url
 * @returns {WorkerLike}
 */
function startWorker(url) {
  const outside = new EventTarget();
  /** @type {Listener[]} */
  const listeners = [];
  Object.assign(globalThis, {
    addEventListener: (/** @type {string} */ _type, /** @type {Listener} */ listener) => listeners.push(listener),
    postMessage: (/** @type {unknown} */ data) => outside.dispatchEvent(new MessageEvent("message", { data })),
  });
  return {
    addEventListener: outside.addEventListener.bind(outside),
    async postMessage(/** @type {unknown} */ data) {
      await import(`${url}?${Math.random()}`); // a module runs once for each spelling of its URL
      for (const listener of listeners) listener({ data });
    },
    terminate() {},
  };
}
