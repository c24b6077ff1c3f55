// Knows how files go from tab to tab: in chunks, each sealed under the file's own key, asked for one after the other and
// checked as a whole; knows no page and no line.

import { concat, fromBase64url, toBase64url, uint, utf8 } from "./bytes.js";
import { sha256 } from "./crypto.js";
import { ERRORS } from "./events.js";

/**
 * @import { Bytes } from "./bytes.js"
 * @import { Chunk, Wanted } from "./events.js"
 * @import { Answer } from "./outbox.js"
 * @import { FileRef } from "./payload.js"
 */

export const CHUNK = 65_536;
// On a line of usual length enough for its whole width.
const WINDOW = 4;
// The server gives an owner less time to answer.
const ANSWER_MS = 30_000;
const AGAIN_MS = 3_000;

/** `gone`: its owner has left, or does not have it any more; `damaged`: what came is not what its owner has signed. */
export class FileError extends Error {
  /** @param {"gone" | "damaged"} code */
  constructor(code) {
    super(`file ${code}`);
    this.code = code;
  }
}

export class Files {
  /** @type {Map<string, {blob: Blob, size: number, key: CryptoKey}>} what this tab has for others */
  #own = new Map();
  /** @type {Map<string, (said: {chunk?: Bytes, error?: unknown}) => void>} */
  #awaited = new Map();
  #request;
  #isHere;

  /**
   * @param {(body: Bytes) => Promise<Answer>} request asks the server for a chunk
   * @param {(member: string) => boolean} isHere
   */
  constructor(request, isHere) {
    this.#request = request;
    this.#isHere = isHere;
  }

  /**
   * From now on others may have it. Throws where it cannot be read.
   * @param {Blob} blob
   * @returns {Promise<FileRef>}
   */
  async offer(blob) {
    const [id, raw] = [16, 32].map((size) => crypto.getRandomValues(new Uint8Array(size)));
    const sum = await sha256(new Uint8Array(await blob.arrayBuffer()));
    const key = await crypto.subtle.importKey("raw", raw, "AES-GCM", false, ["encrypt"]);
    const [type] = /^[a-z]+\/[a-z0-9.+-]{1,80}/.exec(blob.type) ?? [""];
    this.#own.set(toBase64url(id), { blob, size: blob.size, key });
    return [toBase64url(id), blob.size, type, toBase64url(raw), toBase64url(sum)];
  }

  /** @param {string} id */
  own(id) {
    return this.#own.get(id)?.blob;
  }

  /** @param {string} id */
  withdraw(id) {
    this.#own.delete(id);
  }

  /**
   * What somebody is told who asks this tab for a chunk.
   * @param {Wanted} wanted
   */
  async answer({ file, index }) {
    const own = this.#own.get(file);
    if (!own || index * CHUNK >= own.size) return { error: ERRORS.fileGone };
    try {
      const plain = new Uint8Array(CHUNK);
      plain.set(new Uint8Array(await own.blob.slice(index * CHUNK, (index + 1) * CHUNK).arrayBuffer()));
      return { chunk: new Uint8Array(await crypto.subtle.encrypt(place(file, own.size, index), own.key, plain)) };
    } catch {
      return { error: ERRORS.fileGone }; // it was changed or taken away since
    }
  }

  /** @param {Chunk} said what has come of a request; what nobody asked for is nothing */
  chunk({ member, file, index, ...said }) {
    this.#awaited.get(name(member, file, index))?.(said);
  }

  /** The line is gone, and with it whatever was on its way. */
  interrupted() {
    for (const over of [...this.#awaited.values()]) over({ error: ERRORS.unavailable });
  }

  /**
   * The whole of it. Goes on where it was when the line or the owner's line was broken. Throws FileError, or the signal's
   * reason.
   * @param {string} member its owner
   * @param {FileRef} ref
   * @param {(part: number) => void} told how much of it is here, from 0 to 1
   * @param {AbortSignal} signal
   */
  async whole(member, [file, size, , raw, sum], told, signal) {
    const key = await crypto.subtle.importKey("raw", fromBase64url(raw), "AES-GCM", false, ["decrypt"]);
    const count = Math.ceil(size / CHUNK);
    /** @type {Blob[]} which the browser may keep elsewhere than in memory */
    const parts = new Array(count);
    let [next, done] = [0, 0];
    const some = async () => {
      while (next < count) {
        const index = next++;
        const sealed = await this.#get(member, file, index, signal);
        const plain = await crypto.subtle.decrypt(place(file, size, index), key, sealed).catch(() => null);
        if (plain?.byteLength !== CHUNK) throw new FileError("damaged");
        parts[index] = new Blob([plain.slice(0, size - index * CHUNK)]);
        told(++done / count);
      }
    };
    try {
      await Promise.all(Array.from({ length: WINDOW }, some));
    } finally {
      next = count;
    }
    const whole = new Blob(parts);
    if (toBase64url(await sha256(new Uint8Array(await whole.arrayBuffer()))) !== sum) throw new FileError("damaged");
    return whole;
  }

  /**
   * @param {string} member
   * @param {string} file
   * @param {number} index
   * @param {AbortSignal} signal
   */
  async #get(member, file, index, signal) {
    for (;;) {
      signal.throwIfAborted();
      const { chunk, error } = await this.#ask(member, file, index);
      signal.throwIfAborted();
      if (chunk) return chunk;
      if (error === ERRORS.fileGone || error === ERRORS.badRequest || !this.#isHere(member)) throw new FileError("gone");
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }

  /**
   * @param {string} member
   * @param {string} file
   * @param {number} index
   * @returns {Promise<{chunk?: Bytes, error?: unknown}>}
   */
  #ask(member, file, index) {
    const asked = name(member, file, index);
    return new Promise((resolve) => {
      const over = (/** @type {{chunk?: Bytes, error?: unknown}} */ said) => {
        clearTimeout(timer);
        this.#awaited.delete(asked);
        resolve(said);
      };
      const late = () => over({ error: ERRORS.unavailable });
      const timer = setTimeout(late, ANSWER_MS);
      this.#awaited.set(asked, over);
      const body = concat(fromBase64url(member), fromBase64url(file), uint(index, 4));
      this.#request(body).then(({ error }) => error !== undefined && over({ error }), late);
    });
  }
}

/**
 * @param {string} member
 * @param {string} file
 * @param {number} index
 */
function name(member, file, index) {
  return `${member} ${file} ${index}`;
}

/**
 * A chunk opens in its own place of its own file only.
 * @param {string} file
 * @param {number} size
 * @param {number} index
 */
function place(file, size, index) {
  const additionalData = concat(utf8("chatsite/1 file\0"), fromBase64url(file), uint(size, 8), uint(index, 4));
  return { name: "AES-GCM", iv: concat(new Uint8Array(4), uint(index, 8)), additionalData };
}
