// Knows Argon2id and its one question; it is a worker of its own so that the page stays alive meanwhile.

// The library's UMD file, for its side effect: it puts `hashwasm` on the global object.
import "../vendor/argon2.umd.min.js";
import { KDF } from "./crypto.js";

/**
 * @typedef {{password: Uint8Array, salt: Uint8Array, outputType: "binary"} & typeof KDF} Question
 * @typedef {{argon2id: (question: Question) => Promise<Uint8Array<ArrayBuffer>>}} HashWasm
 */

addEventListener("message", async ({ data: { password, salt } }) => {
  const { hashwasm } = /** @type {{hashwasm: HashWasm}} */ (/** @type {unknown} */ (globalThis));
  try {
    const bytes = new TextEncoder().encode(password);
    const secret = await hashwasm.argon2id({ password: bytes, salt, ...KDF, outputType: "binary" });
    postMessage({ secret }, { transfer: [secret.buffer] });
  } catch {
    postMessage({}); // not enough memory, or no WebAssembly: nothing that the page could tell apart
  }
});
