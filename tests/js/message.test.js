// Holds links to showing where they lead.

import assert from "node:assert/strict";
import { test } from "node:test";

import { showsHost } from "../../static/js/message.js";

test("a link whose text begins with its whole host needs no other sign", () => {
  for (const text of ["https://example.org", "HTTP://EXAMPLE.org/a", "example.org?b", "https://example.org#c"])
    assert.equal(showsHost(text, "example.org"), true, text);
});

test("a host that is hidden, cut short or dressed up is shown apart", () => {
  for (const text of [
    "https://bank.example@example.org/",
    "https://example.org.evil.example/",
    "https://example.org@evil.example",
    "https://example.organic/",
    "https://еxample.org/",
    "click here",
  ])
    assert.equal(showsHost(text, text.includes("evil") ? "evil.example" : "xn--xample-2of.org"), false, text);
  assert.equal(showsHost("https://example.organic/", "example.org"), false);
  assert.equal(showsHost("https://example.org", ""), false);
});

test("a port belongs to the host", () => {
  assert.equal(showsHost("https://example.org:8443/a", "example.org:8443"), true);
  assert.equal(showsHost("https://example.org:8443/a", "example.org"), false);
});
