// Knows the numbered, hash-linked messages of one signer and which of them are missing; knows no time and no feed.

// Twice the log of a usual room: older messages of one signer can no longer be told from replayed ones.
export const WINDOW = 256;

/** @typedef {"show" | "duplicate" | "conflict" | "stale"} Verdict */

/**
 * What is known of a message is its hash: because it came, because the next one names it (`prev`), or because the
 * signer said where its messages stand (the head in a user blob or a typing notice). One signer's words never contradict
 * each other unless the signer wants them to: the server cannot sign.
 */
export class Chain {
  /** Whatever came up to this number is out of reach; null until something sets the base. @type {number | null} */
  #floor = null;
  /** The highest number that must exist. */
  #top = 0;
  /** What messages must hash to, by number, from the floor on. @type {Map<number, string>} */
  #digests = new Map();
  /** The numbers above the floor that came. @type {Set<number>} */
  #came = new Set();
  /** How many below the floor never came. */
  #lost = 0;
  /** The base at most, when all messages after it must reach us. */
  #base = Infinity;

  get missing() {
    return this.#floor === null ? 0 : this.#lost + this.#top - this.#floor - this.#came.size;
  }

  /**
   * How many messages lie between the known ones and number `seq`; negative when that one is among the known.
   * @param {number} seq
   */
  gapBefore(seq) {
    return seq - 1 - (this.#floor === null ? this.#baseFor(seq) : this.#top);
  }

  /**
   * Nothing up to this number is asked for any more; what was missing before stays missing.
   * @param {number} floor
   */
  rebase(floor) {
    const missing = this.missing;
    for (const seq of this.#digests.keys()) if (seq < floor) this.#digests.delete(seq);
    for (const seq of this.#came) if (seq <= floor) this.#came.delete(seq);
    this.#floor = floor;
    this.#top = Math.max(this.#top, floor);
    this.#lost = 0;
    this.#lost = missing - this.missing;
  }

  /**
   * The signer says while we listen that its messages go up to here: what we lack of them is being kept from us.
   * @param {number} seq 0 for none
   * @param {string} digest
   * @returns {boolean} whether it fits what is known
   */
  head(seq, digest) {
    if (this.#floor === null) this.rebase(seq);
    this.#top = Math.max(this.#top, seq);
    return this.#name(seq, digest);
  }

  /**
   * The signer said so once, and we do not know which messages it had sent since when we came.
   * @param {number} seq 0 for none
   * @param {string} digest
   * @param {boolean} complete whether all messages after it must reach us
   * @returns {boolean} whether it fits what is known
   */
  pastHead(seq, digest, complete) {
    if (complete) this.#base = seq;
    return this.#name(seq, digest);
  }

  /**
   * @param {number} seq
   * @param {string} prev
   * @param {string} digest
   * @returns {{verdict: Verdict, late: boolean}} late: it fills a gap
   */
  message(seq, prev, digest) {
    if (this.#floor === null) this.rebase(this.#baseFor(seq));
    const late = seq <= this.#top;
    const known = this.#digests.get(seq);
    // Late ones only if the following one, or a head, vouches for them: a gap is no place for an invention.
    if (seq <= Number(this.#floor) || (late && known === undefined)) return { verdict: "stale", late: false };
    if (known !== undefined && known !== digest) return { verdict: "conflict", late: false };
    if (this.#came.has(seq)) return { verdict: "duplicate", late: false };
    this.#came.add(seq);
    this.#top = Math.max(this.#top, seq);
    this.#name(seq, digest);
    return { verdict: this.#name(seq - 1, prev) ? "show" : "conflict", late };
  }

  /**
   * What lies below the first message that comes.
   * @param {number} seq
   */
  #baseFor(seq) {
    return Math.min(this.#base, seq - 1);
  }

  /**
   * Somebody who can sign for it says what number `seq` hashes to; the first such word stands.
   * @param {number} seq
   * @param {string} digest
   */
  #name(seq, digest) {
    if (seq < (this.#floor ?? 0)) return true;
    const known = this.#digests.get(seq);
    if (known === undefined) this.#digests.set(seq, digest);
    if (this.#digests.size > WINDOW) this.#trim();
    return known === undefined || known === digest;
  }

  /** Half at a time, so that sorting is rare. */
  #trim() {
    const seqs = [...this.#digests.keys()].sort((a, b) => a - b);
    this.rebase(seqs[WINDOW / 2]);
  }
}
