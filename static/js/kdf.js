// Knows how to have a room secret made in a worker and be rid of the worker; knows nothing of what the secret opens.

/** @import { Bytes } from "./bytes.js" */

/**
 * @typedef {Pick<Worker, "addEventListener" | "postMessage" | "terminate">} WorkerLike
 * @typedef {string | {toString(): string}} WorkerUrl the page's policy makes a TrustedScriptURL of it
 */

/**
 * What the worker must say to be believed.
 * @typedef {{secret: Bytes}} Derived
 */

/**
 * Takes a second or so and 128 MiB; ending the worker is what gives those back, so it always ends.
 * @param {WorkerUrl} workerUrl
 * @param {string} password the normalised room name
 * @param {Bytes} salt from kdfSalt
 * @param {(url: WorkerUrl) => WorkerLike} [makeWorker]
 * @returns {Promise<Bytes>} 32 bytes, for the caller to use up
 */
export async function deriveSecret(workerUrl, password, salt, makeWorker = startWorker) {
  const worker = makeWorker(workerUrl);
  try {
    return await new Promise((resolve, reject) => {
      const fail = () => reject(new Error("the key could not be derived"));
      worker.addEventListener("error", fail);
      worker.addEventListener("messageerror", fail);
      worker.addEventListener("message", (event) => {
        const { secret } = /** @type {MessageEvent<Partial<Derived>>} */ (event).data;
        if (secret instanceof Uint8Array && secret.length === 32) resolve(secret);
        else fail();
      });
      worker.postMessage({ password, salt });
    });
  } finally {
    worker.terminate();
  }
}

/** @param {WorkerUrl} url */
function startWorker(url) {
  // The declaration of Worker knows nothing of Trusted Types.
  return new Worker(/** @type {string} */ (url), { type: "module" });
}
