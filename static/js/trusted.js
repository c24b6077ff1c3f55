// Knows the two addresses that may become scripts beside the pages' own, whatever is asked for; knows not what runs there.

const KDF = new URL("./kdf-worker.js", import.meta.url).href;
// Not among the hashed files: where it lies decides which pages it serves, and those are all of the site's.
const SHELL = new URL("/shell.js", import.meta.url).href;

/** @param {string} name */
const address = (name) => (name === "kdf" ? KDF : SHELL);
const policy = /** @type {any} */ (globalThis).trustedTypes?.createPolicy("chatsite", { createScriptURL: address });

/**
 * @param {"kdf" | "shell"} name
 * @returns {string} where browsers enforce Trusted Types, an object that they take in place of one
 */
export function scriptUrl(name) {
  return policy ? policy.createScriptURL(name) : address(name);
}
