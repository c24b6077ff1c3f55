// Knows which short tag tells each signer in view from all others; knows no name and no page.

/** Letters of a tag as long as nobody else in view begins with the same. */
export const TAG_LETTERS = 4;

/** A signer that left stays known for its messages; of more than this many the oldest is forgotten. */
const MAX_SIGNERS = 4096;

export class Tags {
  /** @type {Map<string, {letters: string, length: number, marked: boolean}>} in order of first sight */
  #known = new Map();

  /**
   * Takes a signer into view. Where its first letters are somebody's already, both tags grow until they differ, and
   * the newcomer is marked: somebody may have made keys until one looked alike.
   * @param {string} member
   * @param {string} letters all twenty
   * @returns {string[]} the others whose tag has changed
   */
  add(member, letters) {
    if (this.#known.has(member)) return [];
    const newcomer = { letters, length: TAG_LETTERS, marked: false };
    const changed = [];
    for (const [other, known] of this.#known) {
      const common = commonPrefix(letters, known.letters);
      if (common < TAG_LETTERS) continue;
      newcomer.marked = true;
      newcomer.length = Math.max(newcomer.length, common + 1);
      if (known.length > common) continue;
      known.length = common + 1;
      changed.push(other);
    }
    this.#known.set(member, newcomer);
    if (this.#known.size > MAX_SIGNERS) this.#known.delete(String(this.#known.keys().next().value));
    return changed;
  }

  /**
   * @param {string} member
   * @returns {{tag: string, marked: boolean}}
   */
  of(member) {
    const known = this.#known.get(member);
    return known ? { tag: known.letters.slice(0, known.length), marked: known.marked } : { tag: "", marked: false };
  }
}

/**
 * @param {string} one
 * @param {string} other
 */
function commonPrefix(one, other) {
  let at = 0;
  while (at < one.length && one[at] === other[at]) at++;
  return at;
}
