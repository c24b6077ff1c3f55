// Holds the conversation to what it tells the screen: what was missed, what the server has lost, what it tries again,
// and everything that was really said, once.

import assert from "node:assert/strict";
import { test } from "node:test";

import { toBase64url } from "../../static/js/bytes.js";
import { Conversation } from "../../static/js/conversation.js";
import { deriveRoom, makeSigner, sealContent } from "../../static/js/crypto.js";

/**
 * @import { Screen } from "../../static/js/conversation.js"
 * @import { Room } from "../../static/js/crypto.js"
 * @import { Connected, Message } from "../../static/js/events.js"
 * @import { Body } from "../../static/js/payload.js"
 * @import { Words } from "../../static/js/sentences.js"
 * @import { Line } from "../../static/js/showing.js"
 */

const HISTORY_LOST = "warn: The server has lost this room’s history. What you see above is your own copy.";
const EPOCH = toBase64url(new Uint8Array(16).fill(1));
const NEXT_EPOCH = toBase64url(new Uint8Array(16).fill(2));

/** Somebody who signs what they say, wherever the server puts it. */
class Author {
  seq = 0;
  prev = "";
  at = Date.now();
  /** @type {[number, string] | null} */
  seen = null;

  /**
   * @param {Room} room
   * @param {string} name
   */
  static async in(room, name) {
    return new Author(room, name, await makeSigner());
  }

  /**
   * @param {Room} room
   * @param {string} name
   * @param {Awaited<ReturnType<typeof makeSigner>>} signer
   */
  constructor(room, name, signer) {
    this.room = room;
    this.name = name;
    this.signer = signer;
    this.member = signer.member;
  }

  /** @param {string | Body} body a text, or what else one does in a message */
  async writes(body) {
    const { name, seq, prev, seen } = this;
    const said = typeof body === "string" ? { name, text: body } : body;
    const payload = { ...said, at: ++this.at, seq: seq + 1, prev, seen };
    const sealed = await sealContent(this.room, this.signer, "message", payload);
    this.seq++;
    this.prev = sealed.payloadDigest;
    return sealed.ciphertext;
  }

  /**
   * @param {number} id
   * @param {string | Body} body
   * @returns {Promise<Message>}
   */
  async says(id, body) {
    return { id, member: this.member, message: await this.writes(body) };
  }

  /** @param {boolean} on */
  async types(on) {
    const payload = { on, at: ++this.at, seq: this.seq, prev: this.prev };
    const { ciphertext } = await sealContent(this.room, this.signer, "typing", payload);
    return { member: this.member, typing: ciphertext };
  }

  async user(name = this.name) {
    this.name = name;
    const payload = { name, at: ++this.at, seq: this.seq, prev: this.prev };
    const { ciphertext } = await sealContent(this.room, this.signer, "user", payload);
    return { member: this.member, user: ciphertext };
  }
}

/** A screen that is a list of what stands on it. @implements {Screen} */
class Sheet {
  /** @type {Map<string, Line>} */
  lines = new Map();
  /** @type {Map<string, string>} */
  notices = new Map();
  /** @type {(string | null)[]} */
  names = [];
  seconds = -1;

  get texts() {
    return [...this.lines.values()].map(({ text }) => text);
  }

  get said() {
    return [...this.notices.values()];
  }

  /**
   * @param {string} id
   * @param {Line} line
   */
  line(id, line) {
    assert.ok(!this.lines.has(id));
    this.lines.set(id, line);
  }

  change() {}
  /** @type {[member: string, on: boolean][]} */
  typists = [];
  /** @type {unknown[][]} */
  changes = [];

  /**
   * @param {string} member
   * @param {boolean} on
   */
  typing(member, on) {
    this.typists.push([member, on]);
  }

  timer() {}

  /** @param {...unknown} told */
  edit(...told) {
    this.changes.push(["edit", ...told]);
  }

  /** @param {...unknown} told */
  erase(...told) {
    this.changes.push(["erase", ...told]);
  }

  /** @param {...unknown} told */
  react(...told) {
    this.changes.push(["react", ...told]);
  }

  retag() {}
  ciphertext() {}

  /**
   * @param {string | null} id
   * @param {Words} words
   * @param {string} kind
   */
  notice(id, words, kind) {
    // The tag is of a key that was made a moment ago.
    const sentence = words.map((word) => (typeof word === "string" ? word.replace(/ \(\w+\)/, "") : `<${word.name}>`));
    this.notices.set(id ?? `notice ${this.notices.size}`, `${kind}: ${sentence.join("")}`);
  }

  /** @param {string} id */
  unnotice(id) {
    this.notices.delete(id);
  }

  /** @param {{name: string | null}[]} people */
  people(people) {
    this.names = people.map(({ name }) => name);
  }

  /** @param {number} seconds */
  ttl(seconds) {
    this.seconds = seconds;
  }
}

/** A tab in a room with Ann, who is here, and Bob, who may come. */
async function begin() {
  const room = await deriveRoom(crypto.getRandomValues(new Uint8Array(32)));
  const [self, ann, bob] = [await Author.in(room, "Self"), await Author.in(room, "Ann"), await Author.in(room, "Bob")];
  const sheet = new Sheet();
  /** @type {{text: string, shown: boolean}[]} */
  const returned = [];
  let stands = true;
  const conversation = new Conversation(room, self.signer, sheet, ({ payload }, shown) => {
    returned.push({ text: "text" in payload ? payload.text : "", shown });
    return stands;
  });
  const users = [await self.user(), await ann.user()];
  return {
    ...{ room, self, ann, bob, sheet, conversation, returned },
    letsGo: () => (stands = false),
    /** @param {Partial<Connected> & {log?: Message[]}} [snapshot] */
    async joins({ log = [], last = log.at(-1)?.id ?? 0, ...rest } = {}) {
      const first = last - log.length + 1;
      const { member } = self;
      conversation.connected({ member, epoch: EPOCH, first, last, ttl: null, timer: 0, users, log, ...rest });
      await conversation.settled;
    },
    /** @param {Message[]} messages */
    async hears(...messages) {
      for (const message of messages) conversation.message(message);
      await conversation.settled;
    },
  };
}

test("what is in the log and what comes later are shown in the order of the feed, once", async () => {
  const { ann, sheet, conversation, joins, hears } = await begin();
  assert.equal(conversation.position, null);
  await joins({ log: [await ann.says(1, "one"), await ann.says(2, "two")] });
  assert.deepEqual(conversation.position, { epoch: EPOCH, id: 2 });
  const last = await ann.says(3, "three");
  await hears(last);
  assert.deepEqual(sheet.texts, ["one", "two", "three"]);
  assert.deepEqual([...sheet.lines.values()].map(({ past }) => past), [true, true, false]);
  assert.deepEqual(conversation.position, { epoch: EPOCH, id: 3 });
  assert.equal(conversation.seen?.[0], 3);
  assert.deepEqual(sheet.said, []);
  assert.deepEqual(sheet.names, ["Self", "Ann"]);
});

test("who comes in late has missed nothing", async () => {
  const { ann, sheet, conversation, joins } = await begin();
  ann.seq = 40;
  ann.prev = toBase64url(new Uint8Array(32));
  await joins({ log: [await ann.says(41, "late")], users: [] });
  assert.deepEqual(sheet.texts, ["late"]);
  assert.deepEqual(sheet.said, []);
  assert.equal(conversation.missed(40), false);
});

test("who comes back hears what was said meanwhile, and how much of it nobody has any more", async () => {
  const { ann, bob, sheet, conversation, joins } = await begin();
  await joins({ log: [await ann.says(1, "before")] });
  await joins({ log: [await ann.says(2, "in the log")] });
  assert.deepEqual(sheet.said, []);
  for (const id of [3, 4, 5]) await bob.says(id, "gone");
  await joins({ log: [await ann.says(6, "after")] });
  assert.deepEqual(sheet.texts, ["before", "in the log", "after"]);
  assert.deepEqual(sheet.said, ["warn: 3 messages were missed"]);
  assert.deepEqual([2, 3, 5, 6].map((id) => conversation.missed(id)), [false, true, true, false]);
  await joins({ log: [], last: 7 });
  assert.deepEqual(sheet.said.slice(1), ["warn: 1 message was missed"]);
});

test("a gap in the live feed is told, whoever made it", async () => {
  const { ann, sheet, conversation, joins, hears } = await begin();
  await joins();
  await hears(await ann.says(1, "one"));
  await ann.says(2, "kept back");
  await ann.says(3, "kept back");
  await hears(await ann.says(4, "four"));
  assert.deepEqual(sheet.texts, ["one", "four"]);
  assert.deepEqual(sheet.said, ["warn: 2 messages were missed", "warn: 2 messages of <Ann> are missing"]);
  assert.deepEqual([1, 2, 3, 4].map((id) => conversation.missed(id)), [false, true, true, false]);
});

test("a room whose history is lost is told as such; what stands there stays, and nothing is shown twice", async () => {
  const { ann, sheet, conversation, joins } = await begin();
  const first = await ann.says(1, "first");
  await joins({ log: [first] });
  await joins({ log: [], last: 3 });
  assert.equal(conversation.missed(2), true);
  // Sent again by its author, who has not seen it come back.
  await joins({ epoch: NEXT_EPOCH, log: [{ ...first, id: 1 }, await ann.says(2, "second")] });
  assert.deepEqual(sheet.texts, ["first", "second"]);
  assert.deepEqual(sheet.said, ["warn: 2 messages were missed", HISTORY_LOST]);
  assert.equal(conversation.missed(2), false);
  assert.deepEqual(conversation.position, { epoch: NEXT_EPOCH, id: 2 });
});

test("a feed that goes backwards has lost its history, whatever it calls itself", async () => {
  const { ann, sheet, joins } = await begin();
  const one = await ann.says(1, "one");
  await joins({ log: [one, await ann.says(2, "two")] });
  await joins({ log: [one] });
  assert.deepEqual(sheet.texts, ["one", "two"]);
  assert.deepEqual(sheet.said, [HISTORY_LOST]);
});

test("what the server repeats is refused, and under a new number it is not shown again", async () => {
  const { ann, sheet, joins, hears } = await begin();
  const [one, two] = [await ann.says(1, "one"), await ann.says(2, "two")];
  await joins({ log: [one, two] });
  await hears(two);
  assert.deepEqual(sheet.said, [
    "alarm: 1 message refused: not signed by the person that the server named, not for this room, or out of order.",
  ]);
  await hears(one);
  assert.match(sheet.said[0], /^alarm: 2 messages refused/);
  await hears({ ...two, id: 3 });
  assert.deepEqual(sheet.texts, ["one", "two"]);
  assert.equal(sheet.said.length, 1);
});

test("what is not theirs, not of this room, or no message is refused, and the feed goes on", async () => {
  const { room, ann, bob, sheet, conversation, joins, hears } = await begin();
  const elsewhere = await begin();
  await joins({ users: [await ann.user(), await bob.user()] });
  await hears(
    { ...(await ann.says(1, "put into Bob's mouth")), member: bob.member },
    { ...(await elsewhere.ann.says(2, "elsewhere")), member: elsewhere.ann.member },
    { id: 3, member: ann.member, message: (await ann.user()).user },
    { id: 4, member: ann.member, message: "nothing" },
  );
  assert.deepEqual(sheet.texts, []);
  assert.match(sheet.said.join(), /^alarm: 4 messages refused/);
  const carol = await Author.in(room, "Carol");
  await hears(await carol.says(5, "hello"));
  assert.deepEqual(sheet.texts, ["hello"]);
  assert.deepEqual(conversation.position, { epoch: EPOCH, id: 5 });
});

test("a missing message is told by its author's next one, until it comes", async () => {
  const { ann, sheet, joins, hears } = await begin();
  await joins();
  await hears(await ann.says(1, "one"));
  const two = await ann.writes("two");
  await hears(await ann.says(2, "three"));
  assert.deepEqual(sheet.said, ["warn: 1 message of <Ann> is missing"]);
  await hears({ id: 3, member: ann.member, message: two });
  assert.deepEqual(sheet.said, []);
  assert.deepEqual(sheet.texts, ["one", "three", "two"]);
  assert.deepEqual([...sheet.lines.values()].at(-1)?.marks, ["arrived late"]);
});

test("one's own message is the outbox's, as long as it knows it", async () => {
  const { self, sheet, returned, joins, hears, letsGo } = await begin();
  await joins();
  const one = await self.says(1, "one");
  await hears(one);
  assert.deepEqual(sheet.texts, []);
  await hears({ ...one, id: 2 });
  assert.deepEqual(returned, [
    { text: "one", shown: true },
    { text: "one", shown: true },
  ]);
  letsGo();
  await hears(await self.says(3, "two"), { ...one, id: 4 });
  assert.deepEqual(sheet.texts, ["two"]);
  assert.equal([...sheet.lines.values()][0].own, true);
  assert.deepEqual(sheet.said, []);
});

test("people come, are renamed and go, by their own word", async () => {
  const { ann, bob, self, sheet, conversation, joins } = await begin();
  await joins();
  conversation.user(await bob.user());
  conversation.user(await bob.user("Robert"));
  conversation.user(await bob.user("Robert"));
  ann.at += 1_000; // later than all of Bob's
  conversation.user({ member: bob.member, user: (await ann.user("Mallory")).user });
  await conversation.settled;
  assert.deepEqual(sheet.names, ["Self", "Ann", "Robert"]);
  conversation.userLeft({ member: bob.member });
  conversation.userLeft({ member: bob.member });
  conversation.userLeft({ member: self.member });
  await conversation.settled;
  assert.deepEqual(sheet.names, ["Self", "Ann"]);
  assert.deepEqual(sheet.said, ["quiet: <Bob> joined", "quiet: <Bob> is <Robert> now", "quiet: <Robert> left"]);
});

test("who is here after a break is who the new list has, and nobody is said to have come or gone", async () => {
  const { ann, bob, self, sheet, joins } = await begin();
  await joins();
  await joins({ users: [await self.user(), await bob.user()] });
  assert.deepEqual(sheet.names, ["Self", "Bob"]);
  await joins({ users: [await self.user(), await ann.user()] });
  assert.deepEqual(sheet.names, ["Self", "Ann"]);
  assert.deepEqual(sheet.said, []);
});

test("how long messages stay is told", async () => {
  const { sheet, joins } = await begin();
  await joins();
  assert.equal(sheet.seconds, 0);
  await joins({ ttl: 7_200 });
  assert.equal(sheet.seconds, 7_200);
  assert.deepEqual(sheet.said, ["quiet: The server lets messages vanish from here after 2 hours."]);
});

test("what the server shows as somebody else's history is an alarm", async () => {
  const { ann, bob, sheet, conversation, joins, hears } = await begin();
  await joins({ log: [await ann.says(1, "one")] });
  conversation.user(await bob.user());
  bob.seen = [1, toBase64url(new Uint8Array(32))];
  await hears(await bob.says(2, "I saw another"));
  assert.deepEqual(sheet.texts, ["one", "I saw another"]);
  assert.match(sheet.said.join(), /alarm: The server shows people different histories/);
});

test("changes reach the screen in the order of the feed, each by whom it was signed", async () => {
  const { self, ann, bob, sheet, joins, hears } = await begin();
  await joins({ users: [await self.user(), await ann.user(), await bob.user()] });
  await hears(
    await ann.says(1, "one"),
    await bob.says(2, { react: [ann.member, 1], sign: "👍", on: true }),
    await ann.says(3, { edit: 1, text: "another" }),
    await bob.says(4, "mine"),
    // Nothing but their own can be meant: Bob's number 1 was the sign.
    await bob.says(5, { erase: 1 }),
    await self.says(6, "own"),
    await self.says(7, { erase: 1 }),
  );
  assert.deepEqual(sheet.changes, [
    ["react", [ann.member, 1], { member: bob.member, name: "Bob" }, "👍", true],
    ["edit", [ann.member, 1], "another"],
    ["erase", [bob.member, 1]],
    ["erase", [self.member, 1]],
  ]);
  assert.deepEqual(sheet.texts, ["one", "mine"]);
  assert.deepEqual(sheet.said, []);
});

test("a change that the server repeats changes nothing, and one that it withholds is missed", async () => {
  const { ann, sheet, joins, hears } = await begin();
  await joins();
  const edit = await ann.says(1, "one").then(async (one) => {
    await hears(one);
    return ann.says(2, { edit: 1, text: "two" });
  });
  await hears(edit, { ...edit, id: 3 });
  assert.equal(sheet.changes.length, 1);
  await ann.writes({ erase: 1 });
  await hears(await ann.says(4, "after"));
  assert.deepEqual(sheet.said, ["warn: 1 message of <Ann> is missing"]);
});

test("who types is told of if they are here and have signed it, until they speak or leave", async () => {
  const { ann, bob, self, sheet, conversation, joins, hears } = await begin();
  await joins();
  /** @param {{member: string, typing: string}[]} said */
  const typed = async (...said) => {
    for (const typing of said) conversation.typing(typing);
    await conversation.settled;
    return sheet.typists.splice(0);
  };
  const on = await ann.types(true);
  assert.deepEqual(await typed(on, on), [[ann.member, true]]);
  assert.deepEqual(await typed(await ann.types(false)), [[ann.member, false]]);
  const forged = { ...(await ann.types(true)), member: self.member };
  assert.deepEqual(await typed(await bob.types(true), forged, await self.types(true), { ...on, typing: "nothing" }), []);
  await hears(await ann.says(1, "said"));
  assert.deepEqual(sheet.typists.splice(0), [[ann.member, false]]);
  conversation.userLeft({ member: ann.member });
  await conversation.settled;
  assert.deepEqual(sheet.typists.splice(0), [[ann.member, false]]);
});

test("what people and the server want of vanishing: the shorter time counts, and who has set it is told", async () => {
  const { ann, sheet, joins, hears } = await begin();
  await joins({ ttl: 0, timer: 3600 });
  assert.equal(sheet.seconds, 3600);
  await hears(await ann.says(1, { fade: 300 }));
  assert.equal(sheet.seconds, 300);
  await hears(await ann.says(2, { fade: 0 }));
  assert.equal(sheet.seconds, 0);
  assert.deepEqual(sheet.said, [
    "told: <Ann> has set messages to vanish from here after 5 minutes.",
    "told: <Ann> has set messages to stay.",
  ]);
  await joins({ ttl: 60, timer: 300, log: [await ann.says(3, { fade: 30 })] });
  assert.equal(sheet.seconds, 60);
  assert.equal(sheet.said.length, 3); // the server's own
});
