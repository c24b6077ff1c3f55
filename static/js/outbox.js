// Knows what this tab has still to say and says it once, in order; knows neither keys nor sockets.

import { ERRORS } from "./events.js";

/**
 * @import { Opened, Sealed } from "./crypto.js"
 * @import { Edit, Erase, Fade, React, Saying } from "./payload.js"
 */
/**
 * @typedef {{seq: number, prev: string}} Head
 * @typedef {Omit<Saying, "name"> | Edit | Erase | React | Fade} Wanted
 * @typedef {{id: string, wanted: Wanted, sealed?: Sealed & {seq: number}}} Draft
 * @typedef {{id?: unknown, error?: unknown}} Answer
 * @typedef {{
 *   seal: (draft: Draft, head: Head) => Promise<Sealed>,
 *   send: (bytes: Uint8Array<ArrayBuffer>) => Promise<Answer>,
 *   missed: (id: number) => boolean,
 *   sent: (id: string, seq?: number) => void,
 *   failed: (id: string) => void,
 *   slowed: (why: string) => void,
 *   stalled: () => void,
 * }} Owner `missed`: whether a message with this id may have been in the feed without coming here; `slowed`: what waits
 *   goes slower than it was written, and what the server says of that, or ("") all has gone; `stalled`: the line is no good any more
 */

// A bucket of the server's fills by several a second, a broker that is away needs longer.
const WAIT_MS = { [ERRORS.rateLimited]: 1_000, [ERRORS.unavailable]: 5_000 };
// An honest server has a message in the feed before it answers; this leaves time for a slow line.
const FEED_MS = 15_000;

/**
 * One message is on its way at a time. It is sealed once and sent again as it is until it comes back in the feed,
 * so that however lines and answers are lost, readers see it once. A refused one leaves no hole in the sequence.
 */
export class Outbox {
  /** @type {Draft[]} */
  #waiting = [];
  /** @type {Head} */
  #head = { seq: 0, prev: "" };
  #open = false;
  #busy = false;
  #slow = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #owner;

  /** @param {Owner} owner */
  constructor(owner) {
    this.#owner = owner;
  }

  /** This signer's messages that are known to be in the feed. */
  get head() {
    return this.#head;
  }

  /** @param {Draft} draft */
  add(draft) {
    this.#waiting.push(draft);
    // Behind others it waits for them, and does not hasten what a slow server has told them to wait for.
    if (this.#waiting.length === 1) this.#pump();
  }

  /** The tab is in the room and has seen what it missed. */
  opened() {
    this.#open = true;
    this.#pump();
  }

  /** The line is gone; everything waits. */
  closed() {
    this.#open = false;
    this.#slow = "";
    clearTimeout(this.#timer);
  }

  /**
   * A message of this tab came by in the feed.
   * @param {Opened<"message">} message
   * @param {boolean} shown whether readers show it, or take it for one too many in its place
   * @returns {boolean} whether it waited here
   */
  returned({ digest, payloadDigest, payload }, shown) {
    if (shown) this.#advance(payload.seq, payloadDigest);
    const [draft] = this.#waiting;
    if (draft?.sealed?.digest !== digest) return false;
    this.#finish(shown);
    return true;
  }

  /**
   * Also past what the server has published although it had said no.
   * @param {number} seq
   * @param {string} prev
   */
  #advance(seq, prev) {
    if (seq > this.#head.seq) this.#head = { seq, prev };
  }

  /** @param {boolean} sent whether the first that waits has reached the others */
  #finish(sent) {
    clearTimeout(this.#timer);
    const draft = this.#waiting.shift();
    if (draft && sent) this.#owner.sent(draft.id, draft.sealed?.seq);
    else if (draft) this.#owner.failed(draft.id);
    if (this.#waiting.length === 0) this.#pace("");
    this.#pump();
  }

  /** @param {string} why */
  #pace(why) {
    if (why !== this.#slow) this.#owner.slowed(why);
    this.#slow = why;
  }

  async #pump() {
    const [draft] = this.#waiting;
    if (!this.#open || this.#busy || !draft) return;
    this.#busy = true;
    let wait = FEED_MS;
    try {
      draft.sealed ??= { seq: this.#head.seq + 1, ...(await this.#owner.seal(draft, this.#head)) };
      wait = this.#judge(draft, await this.#owner.send(draft.sealed.bytes));
    } catch {
      // Sealed but not sent, or sent and not answered: it goes again when the line is back.
    }
    this.#busy = false;
    if (this.#waiting[0] !== draft) this.#pump();
    else if (this.#open) this.#timer = setTimeout(() => this.#again(wait === FEED_MS), wait);
  }

  /**
   * @param {Draft} draft
   * @param {Answer} answer
   * @returns {number} how long to wait before something must be done again
   */
  #judge(draft, { id, error }) {
    if (this.#waiting[0] !== draft || !draft.sealed) return 0;
    // The server knew it already, and it lies where the feed was interrupted: it will not come by again. Any other
    // number is the server's word only.
    if (typeof id === "number" && this.#owner.missed(id)) {
      this.#advance(draft.sealed.seq, draft.sealed.payloadDigest);
      this.#finish(true);
      return 0;
    }
    if (error === undefined) return FEED_MS;
    if (error === ERRORS.rateLimited || error === ERRORS.unavailable) {
      this.#pace(error);
      return WAIT_MS[error];
    }
    if (error === ERRORS.notInRoom || error === ERRORS.badEnvelope) return FEED_MS;
    this.#finish(false);
    return 0;
  }

  /** @param {boolean} stalled */
  #again(stalled) {
    if (stalled) this.#owner.stalled();
    else this.#pump();
  }
}
