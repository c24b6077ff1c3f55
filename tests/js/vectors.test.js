// Holds the browser's modules against the vectors that the reference in Python made.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import * as bytes from "../../static/js/bytes.js";
import * as crypto from "../../static/js/crypto.js";
import * as envelope from "../../static/js/envelope.js";
import * as names from "../../static/js/names.js";
import { derive } from "./derive.js";
import { FILES, runVectors } from "./vectors.js";

test("every vector", async () => {
  const read = (/** @type {string} */ file) => JSON.parse(readFileSync(new URL(`../vectors/${file}.json`, import.meta.url), "utf-8"));
  const vectors = Object.fromEntries(FILES.map((file) => [file, read(file)]));
  const { checked, failures } = await runVectors(vectors, { bytes, names, crypto, envelope, deriveSecret: derive });
  assert.deepEqual(failures, []);
  assert.ok(checked > 200);
});
