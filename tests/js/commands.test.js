// Holds the commands to what is a command, what is a text, and what is neither.

import assert from "node:assert/strict";
import { test } from "node:test";

import { COMMANDS, commandsFor, readWish } from "../../static/js/commands.js";

test("what begins with one slash and a word is a command, everything else is said", () => {
  const said = /** @type {const} */ ([
    ["hello", "hello"],
    ["  and/or ", "and/or"],
    ["/", "/"],
    ["/usr/bin is full", "/usr/bin is full"],
    ["/ nick", "/ nick"],
    ["/5 of them", "/5 of them"],
    ["//nick is a command", "/nick is a command"],
    [" //", "/"],
    ["http://example.org", "http://example.org"],
  ]);
  for (const [typed, text] of said) assert.deepEqual(readWish(typed), { kind: "say", text, me: false }, typed);
});

test("each command, in any case, with the space around it", () => {
  assert.deepEqual(readWish("/me waves\nagain "), { kind: "say", text: "waves\nagain", me: true });
  assert.deepEqual(readWish(" /NICK  Ann Lee "), { kind: "nick", name: "Ann-Lee" });
  assert.deepEqual(readWish("/clear"), { kind: "clear" });
  assert.deepEqual(readWish("/help me"), { kind: "help" });
});

test("what cannot be done is told, or is the box’s own matter", () => {
  const fault = (/** @type {string} */ typed) => {
    const wish = readWish(typed);
    assert.equal(wish.kind, "fault", typed);
    return wish.kind === "fault" ? wish.sentence : "";
  };
  assert.match(fault("/dance now"), /no command \/dance\./);
  assert.match(fault("/nick ab"), /3 characters/);
  assert.match(fault(`/nick ${"x".repeat(33)}`), /32 characters/);
  assert.match(fault("/nick a\u202eb c"), /invisible/);
  assert.equal(fault("/me"), "");
  assert.equal(fault(" \n"), "");
  assert.equal(fault("x".repeat(10_001)), "");
});

test("commands are offered while their name is being written, and only there", () => {
  const names = (/** @type {string} */ before) => commandsFor(before).map(({ text }) => text.trimEnd());
  assert.deepEqual(names("/"), COMMANDS.map(({ name }) => `/${name}`));
  assert.deepEqual(names("/N"), ["/nick"]);
  for (const before of ["", "x/", "/nick ", "/x", " /"]) assert.deepEqual(names(before), [], before);
});
