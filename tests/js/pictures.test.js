// Holds the reader of pictures' heads to real ones, and to what only looks like one.

import assert from "node:assert/strict";
import { test } from "node:test";

import { pictureType } from "../../static/js/pictures.js";

/** @param {...(number | string | number[])} parts */
const bytes = (...parts) =>
  Uint8Array.from(parts.flatMap((part) => (typeof part === "string" ? [...part].map((char) => char.charCodeAt(0)) : part)));

/**
 * @param {number} width
 * @param {number} height
 */
const png = (width, height) =>
  bytes(137, "PNG", [13, 10, 26, 10, 0, 0, 0, 13], "IHDR", ...[width, height].map((n) => [n >> 24, n >> 16, n >> 8, n].map((b) => b & 255)));
const gif = bytes("GIF89a", [16, 0, 9, 0]);
const jpeg = bytes([255, 216, 255, 224, 0, 4, 1, 2, 255, 196, 0, 3, 0, 255, 192, 0, 11, 8, 0, 9, 0, 16]);
const webp = [
  bytes("RIFF", [0, 0, 0, 0], "WEBPVP8 ", [9, 0, 0, 0, 0, 0, 0, 157, 1, 42, 16, 0, 9, 0]),
  bytes("RIFF", [0, 0, 0, 0], "WEBPVP8L", [9, 0, 0, 0, 47, 15, 0, 2, 0]),
  bytes("RIFF", [0, 0, 0, 0], "WEBPVP8X", [10, 0, 0, 0, 0, 0, 0, 0, 15, 0, 0, 8, 0, 0, 65]),
];

test("pictures of dots are known by how they begin", () => {
  assert.equal(pictureType(png(16, 9)), "image/png");
  assert.equal(pictureType(gif), "image/gif");
  assert.equal(pictureType(jpeg), "image/jpeg");
  for (const each of webp) assert.equal(pictureType(each), "image/webp");
});

test("what would take too much memory, or none, is not shown", () => {
  assert.equal(pictureType(png(8_000, 5_000)), "image/png");
  assert.equal(pictureType(png(8_001, 5_000)), undefined);
  assert.equal(pictureType(png(0xffffffff | 0, 1)), undefined);
  assert.equal(pictureType(png(0, 5)), undefined);
  const wide = /** @type {Uint8Array<ArrayBuffer>} */ (webp[2]).map((byte, at) => (at === 25 || at === 28 ? 255 : byte));
  assert.equal(pictureType(wide), undefined);
});

test("nothing else is a picture, and no beginning of one is an error", () => {
  for (const other of [bytes("<svg onload=alert(1)>"), bytes("%PDF-1.7"), bytes("BM"), bytes(), bytes("<!DOCTYPE html>")])
    assert.equal(pictureType(other), undefined);
  for (const whole of [png(16, 9), gif, jpeg, ...webp])
    for (let length = 0; length < whole.length; length++) pictureType(whole.slice(0, length));
  assert.equal(pictureType(jpeg.slice(0, -1)), undefined);
  assert.equal(pictureType(bytes([255, 216, 255, 224, 0, 0, 0, 0, 0, 0])), undefined);
});
