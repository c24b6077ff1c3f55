// Holds the spellings of bytes to their one canonical form.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as bytes from "../../static/js/bytes.js";
import { integer, randomBytes, randomText } from "./random.js";

test("base64url there and back, as Node spells it", () => {
  for (let length = 0; length < 200; length++) {
    const some = randomBytes(length);
    const spelling = bytes.toBase64url(some);
    assert.equal(spelling, Buffer.from(some).toString("base64url"));
    assert.deepEqual(bytes.fromBase64url(spelling), some);
  }
  const large = randomBytes(65_564);
  assert.deepEqual(bytes.fromBase64url(bytes.toBase64url(large)), large);
});

test("each text of base64url letters is refused or the spelling of its bytes", () => {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  let accepted = 0;
  for (let round = 0; round < 2_000; round++) {
    const spelling = Array.from({ length: integer(12) }, () => letters[integer(64)]).join("");
    try {
      assert.equal(bytes.toBase64url(bytes.fromBase64url(spelling)), spelling);
      accepted++;
    } catch (error) {
      assert.ok(!(error instanceof assert.AssertionError), String(error));
    }
  }
  assert.ok(accepted > 100 && accepted < 1_900);
});

test("what is no text is no spelling", () => {
  for (const value of [null, undefined, 7, {}, ["AA"]])
    assert.throws(() => bytes.fromBase64url(/** @type {any} */ (value)), RangeError);
});

test("UTF-8 is strict both ways", () => {
  for (let round = 0; round < 200; round++) {
    const text = randomText(20).replace(/^\ufeff/, "");
    assert.equal(bytes.text(bytes.utf8(text)), text);
  }
  for (const text of ["\ud800", "a\udc00b", "\udc00\ud800"]) assert.throws(() => bytes.utf8(text), RangeError);
  for (const wrong of [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xef, 0xbb, 0xbf, 65]])
    assert.throws(() => bytes.text(Uint8Array.from(wrong)));
  assert.equal(bytes.text(bytes.utf8("a\ufeffb")), "a\ufeffb");
});

test("numbers are big-endian", () => {
  assert.equal(bytes.hex(bytes.uint(0x0102, 2)), "0102");
  assert.equal(bytes.hex(bytes.uint(0xfffefdfc, 4)), "fffefdfc");
  assert.equal(bytes.hex(bytes.uint(Number.MAX_SAFE_INTEGER, 8)), "001fffffffffffff");
});

test("a fingerprint is in groups of four", () => {
  assert.equal(bytes.fingerprint(Uint8Array.of(1, 0xab, 2, 0xcd)), "01AB 02CD");
});
