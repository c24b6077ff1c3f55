// Knows what becomes of the files that messages speak of: offered, on their way, here; knows no key, no line and no element.

import { FileError } from "./files.js";
import { pictureType } from "./pictures.js";

/**
 * @import { Files } from "./files.js"
 * @import { FileRef } from "./payload.js"
 */
/**
 * @typedef {{state: "coming", part: number} | {state: "here", kind: "picture" | "sound" | "file", url: string}
 *   | {state: "gone"} | {state: "damaged"}} Loading
 * @typedef {{member: string, file?: FileRef, loading?: Loading, own: boolean}} Line
 * @typedef {{said: (id: string) => Line | undefined, change: (id: string, change: {loading?: Loading}) => void}} Screen
 */

// What most pictures of a phone have before their size is told.
const HEAD = 262_144;
const SOUNDS = new Set(["audio/webm", "audio/ogg", "audio/mp4", "audio/mpeg", "audio/wav"]);
// Pictures that come without being asked for, one after the other; whoever sends many gets some of them shown.
const SMALL = 1_048_576;
const MOST_WAITING = 20;
const PICTURES = /^image\/(?:png|gif|jpeg|webp)$/;
// Nobody sees more of it.
const TOLD_MS = 150;

export class Transfers {
  #files;
  #screen;
  /** @type {Map<string, AbortController>} by line */
  #coming = new Map();
  #queue = Promise.resolve();
  #waiting = 0;

  /**
   * @param {Files} files
   * @param {Screen} screen
   */
  constructor(files, screen) {
    this.#files = files;
    this.#screen = screen;
  }

  /**
   * A line with a file is new on the screen.
   * @param {string} id
   * @param {Line} line
   */
  async came(id, { own, file }) {
    if (!file) return;
    const [name, size, type] = file;
    const blob = own && this.#files.own(name);
    if (blob) return this.#screen.change(id, { loading: await opened(blob, type) });
    if (size > SMALL || !PICTURES.test(type) || this.#waiting >= MOST_WAITING) return;
    this.#waiting++;
    this.#queue = this.#queue.then(() => this.get(id)).finally(() => this.#waiting--);
  }

  /** @param {string} id of a line that stands there no longer */
  left(id) {
    const { loading } = this.#screen.said(id) ?? {};
    this.stop(id);
    if (loading?.state === "here") URL.revokeObjectURL(loading.url);
  }

  /** @param {string} id */
  stop(id) {
    this.#coming.get(id)?.abort();
  }

  /** @param {string} id */
  async get(id) {
    const { member, file, loading } = this.#screen.said(id) ?? {};
    if (!member || !file || loading?.state === "here" || this.#coming.has(id)) return;
    const stop = new AbortController();
    this.#coming.set(id, stop);
    let last = 0;
    const tell = (/** @type {number} */ part) => {
      if (stop.signal.aborted || Date.now() - last < TOLD_MS) return;
      last = Date.now();
      this.#screen.change(id, { loading: { state: "coming", part } });
    };
    tell(0);
    /** @type {Loading | undefined} */
    let end;
    try {
      end = await opened(await this.#files.whole(member, file, tell, stop.signal), file[2]);
    } catch (error) {
      if (!stop.signal.aborted) end = { state: error instanceof FileError ? error.code : "damaged" };
    }
    this.#coming.delete(id);
    this.#screen.change(id, { loading: end });
  }
}

/**
 * What a file shows of itself. Its type is never more than what this page knows to be harmless.
 * @param {Blob} blob
 * @param {string} type
 * @returns {Promise<Loading>}
 */
async function opened(blob, type) {
  const picture = pictureType(new Uint8Array(await blob.slice(0, HEAD).arrayBuffer()));
  const kind = picture ? "picture" : SOUNDS.has(type) ? "sound" : "file";
  const shown = picture ?? (kind === "sound" ? type : "application/octet-stream");
  return { state: "here", kind, url: URL.createObjectURL(new Blob([blob], { type: shown })) };
}
