// Knows when others are to be told that somebody writes, and when that is over; knows no page and no line.

// Readers take somebody who is silent for longer than twice this for one who has stopped.
export const AGAIN_MS = 4_000;
const IDLE_MS = 6_000;

export class Typist {
  #tell;
  #allowed = true;
  #told = 0;
  #on = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #idle;

  /** @param {(on: boolean) => void} tell */
  constructor(tell) {
    this.#tell = tell;
  }

  /** @param {boolean} allowed whether the person wants others to know */
  allow(allowed) {
    this.#allowed = allowed;
    if (!allowed) this.stop();
  }

  /** @param {boolean} writing whether something stands in the box that will be said */
  typed(writing) {
    if (!writing || !this.#allowed) return this.stop();
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.stop(), IDLE_MS);
    if (this.#on && Date.now() - this.#told < AGAIN_MS) return;
    this.#on = true;
    this.#told = Date.now();
    this.#tell(true);
  }

  /** It has been said, by which readers know. */
  said() {
    clearTimeout(this.#idle);
    this.#on = false;
  }

  stop() {
    const told = this.#on;
    this.said();
    if (told) this.#tell(false);
  }
}
