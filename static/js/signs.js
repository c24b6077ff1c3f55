// Knows who has set which sign under which line; knows no page.

// Under one message; nobody sees more.
const MAX_SIGNS = 20;

export class Signs {
  /** @type {Map<string, Map<string, Map<string, string>>>} by line and sign: the members who have set it, and their names */
  #lines = new Map();

  /**
   * @param {string} id of a line
   * @param {{member: string, name: string}} who
   * @param {string} sign
   * @param {boolean} on
   */
  set(id, { member, name }, sign, on) {
    const signs = this.#lines.get(id) ?? new Map();
    const who = signs.get(sign) ?? new Map();
    if (on && (signs.has(sign) || signs.size < MAX_SIGNS)) signs.set(sign, who.set(member, name));
    else if (!on) who.delete(member);
    if (who.size === 0) signs.delete(sign);
    this.#lines.set(id, signs);
  }

  /** @param {string} id */
  forget(id) {
    this.#lines.delete(id);
  }

  /**
   * @param {string} id
   * @param {string} sign
   * @param {string} member
   */
  has(id, sign, member) {
    return this.#lines.get(id)?.get(sign)?.has(member) ?? false;
  }

  /**
   * @param {string} id
   * @param {string} member the reader
   * @returns {{sign: string, names: string[], mine: boolean}[]}
   */
  under(id, member) {
    const signs = [...(this.#lines.get(id) ?? [])];
    return signs.map(([sign, who]) => ({ sign, names: [...who.values()], mine: who.has(member) }));
  }
}
