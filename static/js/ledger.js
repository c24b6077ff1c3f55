// Knows what every signer has said in this room and what the feed looked like, and judges what comes next;
// knows no key, no network and no page. Signatures are checked before: here the server may lie only by choosing.

import { Chain } from "./chain.js";

/**
 * @import { Verdict } from "./chain.js"
 * @import { Since } from "./envelope.js"
 * @import { Payloads, Seen } from "./payload.js"
 */

/**
 * @typedef {{member: string, payload: Payloads["user"], live: boolean, now: number}} UserEvent
 * @typedef {{member: string, payload: Payloads["typing"], now: number}} TypingEvent
 * @typedef {{
 *   id: number, member: string, payload: Payloads["message"], digest: string, payloadDigest: string,
 *   live: boolean, now: number,
 * }} SpokenEvent
 * @typedef {"ok" | "stale" | "conflict"} HeadVerdict conflict: the signer contradicts its own messages
 * @typedef {{verdict: Verdict, late: boolean, missing: number, fork: boolean, clock: boolean}} Judgement
 */

/**
 * What one signer may skip, once, in its next message: what the server has stated as missed, or, when a room was made
 * anew, whatever was said in the old one while we were away.
 * @typedef {"nothing" | "stated" | "anything"} Excuse
 * @typedef {{
 *   chain: Chain, blobAt: number, typingAt: number, introduced: boolean, spoke: boolean, fresh: boolean, gone: boolean,
 *   excuse: Excuse,
 * }} Signer introduced, spoke: by user blob, by message, in this epoch; fresh: signed something of now
 */

/** Clocks of people's devices differ by minutes, not by more. */
export const CLOCK_TOLERANCE = 5 * 60_000;
const TYPING_AGE = 60_000;
// More than a room holds; at most 60 MB if hostile members fill every chain.
const MAX_SIGNERS = 2_048;
// Far more than authors are behind the feed.
const MAX_IDS = 4_096;

export class Ledger {
  #epoch = "";
  /** The digest of each message of this epoch, by id, oldest first. @type {Map<number, string>} */
  #ids = new Map();
  /** @type {Seen} */
  #seen = null;
  /** The least recently heard first. @type {Map<string, Signer>} */
  #signers = new Map();
  /** How many messages the server has said we missed, less those that signers' gaps have shown. */
  #stated = 0;
  /** Whether everything said since we last looked (or since the room was made) is in the snapshot. */
  #complete = false;

  /** What an own message says of the feed: the last one in it that could be read. */
  get seen() {
    return this.#seen;
  }

  /**
   * How many messages of this signer must exist and have not come.
   * @param {string} member
   */
  missing(member) {
    return this.#signers.get(member)?.chain.missing ?? 0;
  }

  /**
   * Whether this signer has signed something of now, rather than being named by the server only.
   * @param {string} member
   */
  confirmed(member) {
    return this.#signers.get(member)?.fresh ?? false;
  }

  /**
   * A snapshot begins: its users first, then its log, then what is live.
   * @param {{epoch: string, first: number, last: number, since: Since}} snapshot
   * @returns {{missed: number, historyLost: boolean}} for the reader to see: both are the server's word
   */
  begin({ epoch, first, last, since }) {
    // An epoch that goes backwards is no continuation; its ids stay, so that using them again is noticed.
    const resumed = since !== null && since.epoch === epoch && last >= since.id;
    const historyLost = since !== null && !resumed;
    const reached = resumed ? since.id : 0;
    const missed = since === null ? 0 : Math.max(0, first - 1 - reached);
    this.#complete = first <= reached + 1;
    this.#stated += missed;
    for (const signer of this.#signers.values()) {
      if (historyLost) signer.excuse = "anything";
      else if (missed > 0 && signer.excuse === "nothing") signer.excuse = "stated";
    }
    if (epoch !== this.#epoch) this.#startEpoch(epoch);
    return { missed, historyLost };
  }

  /** @param {UserEvent} event */
  user({ member, payload, live, now }) {
    // Who was here before our last look may have said what nobody keeps any more.
    const complete = this.#complete && !this.#signers.has(member);
    const signer = this.#signer(member);
    // Who has left comes back with a new word: the old one again is the server's doing.
    if (payload.at < signer.blobAt || (signer.gone && payload.at === signer.blobAt)) return "stale";
    signer.blobAt = payload.at;
    signer.introduced = true;
    signer.gone = false;
    signer.fresh ||= isFresh(payload.at, now);
    if (!live) return verdict(signer.chain.pastHead(payload.seq, payload.prev, complete));
    return this.#head(signer, payload);
  }

  /**
   * @param {TypingEvent} event
   * @returns {HeadVerdict}
   */
  typing({ member, payload, now }) {
    const signer = this.#signer(member);
    if (now - payload.at > TYPING_AGE || payload.at <= signer.typingAt) return "stale";
    signer.typingAt = payload.at;
    signer.fresh ||= isFresh(payload.at, now);
    return this.#head(signer, payload);
  }

  /**
   * @param {SpokenEvent} event
   * @returns {Judgement}
   */
  message({ id, member, payload, digest, payloadDigest, live, now }) {
    const signer = this.#signer(member);
    this.#excuse(signer, payload.seq);
    const { verdict, late } = signer.chain.message(payload.seq, payload.prev, payloadDigest);
    let fork = (this.#ids.get(id) ?? digest) !== digest;
    if (verdict === "show" || verdict === "conflict") {
      // A message may have waited over a restart of the server and speak of the feed before it: then it is the signer's
      // first in this one and older than its user blob here (which we have not seen if the signer has left since).
      const waited = !signer.spoke && (!signer.introduced || signer.blobAt > payload.at);
      fork ||= !waited && this.#contradicts(payload.seen, id);
      signer.spoke = true;
      signer.fresh ||= isFresh(payload.at, now);
    }
    this.#remember(id, digest);
    return { verdict, late, missing: signer.chain.missing, fork, clock: live && !isFresh(payload.at, now) };
  }

  /** @param {string} member */
  left(member) {
    const signer = this.#signers.get(member);
    if (signer === undefined) return;
    signer.gone = true;
    signer.fresh = false;
  }

  /** @param {string} epoch */
  #startEpoch(epoch) {
    this.#epoch = epoch;
    this.#ids.clear();
    this.#seen = null;
    for (const signer of this.#signers.values()) {
      signer.introduced = false;
      signer.spoke = false;
      signer.fresh = false;
    }
  }

  /**
   * @param {Signer} signer
   * @param {{seq: number, prev: string}} head
   */
  #head(signer, { seq, prev }) {
    this.#excuse(signer, seq + 1);
    return verdict(signer.chain.head(seq, prev));
  }

  /**
   * @param {Signer} signer
   * @param {number} seq of its next message
   */
  #excuse(signer, seq) {
    const { chain, excuse } = signer;
    const gap = chain.gapBefore(seq);
    if (gap < 0) return;
    signer.excuse = "nothing";
    // All signers together cannot have said more than the server has stated: otherwise it hides something.
    if (gap === 0 || excuse === "nothing" || (excuse === "stated" && gap > this.#stated)) return;
    if (excuse === "stated") this.#stated -= gap;
    chain.rebase(seq - 1);
  }

  /**
   * @param {Seen} seen
   * @param {number} id of the message that says so: it cannot have seen itself, nor what came later
   */
  #contradicts(seen, id) {
    return seen !== null && (seen[0] >= id || (this.#ids.get(seen[0]) ?? seen[1]) !== seen[1]);
  }

  /**
   * @param {number} id
   * @param {string} digest
   */
  #remember(id, digest) {
    if (this.#ids.has(id)) return; // the first stands
    this.#ids.set(id, digest);
    if (this.#seen === null || id > this.#seen[0]) this.#seen = [id, digest];
    const [oldest] = this.#ids.keys();
    if (this.#ids.size > MAX_IDS) this.#ids.delete(oldest);
  }

  /** @param {string} member */
  #signer(member) {
    const known = this.#signers.get(member);
    if (known === undefined && this.#signers.size >= MAX_SIGNERS) this.#forgetOne();
    /** @type {Signer} */
    const signer = known ?? {
      chain: new Chain(),
      blobAt: -1,
      typingAt: -1,
      introduced: false,
      spoke: false,
      fresh: false,
      gone: false,
      excuse: "nothing",
    };
    this.#signers.delete(member);
    this.#signers.set(member, signer);
    return signer;
  }

  #forgetOne() {
    let [forgotten] = this.#signers.keys();
    for (const [member, { gone }] of this.#signers) {
      if (!gone) continue;
      forgotten = member;
      break;
    }
    this.#signers.delete(forgotten);
  }
}

/**
 * @param {number} at
 * @param {number} now
 */
function isFresh(at, now) {
  return Math.abs(now - at) <= CLOCK_TOLERANCE;
}

/**
 * @param {boolean} fits
 * @returns {HeadVerdict}
 */
function verdict(fits) {
  return fits ? "ok" : "conflict";
}
