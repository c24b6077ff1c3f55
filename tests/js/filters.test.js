// Holds the two filters to what people and attackers write; bleach judges the first one from Python.

import assert from "node:assert/strict";
import { test } from "node:test";

import { makeFilter } from "../../static/js/filters.js";
import { randomText } from "./random.js";

const filter = makeFilter({ punctuation: "!?.,:;'\"-()/&<>\0\u202e", linkTraces: ["://", "www.", "\u200b"] });

test("ordinary writing of any script stays", () => {
  const texts = [
    "Hello, world! (really?)\nyes: 'it' \"is\" - fine; 10/10.",
    "Grüße, İstanbul, Ελλάδα, Привет, 李小龍, 日本語, 한국어, עִבְרִית",
    "नमस्ते क्‍ष, می‌خواهم, ไทย ที่",
    "🙂 👍🏽 👩‍💻 👨‍👩‍👧 ❤️ ❤️‍🔥 🇩🇪🇫🇷 1️⃣ 🏴󠁧󠁢󠁥󠁮󠁧󠁿 🏳️‍🌈",
    "",
  ];
  for (const text of texts) assert.deepEqual(filter.characters(text), { text, filtered: false });
});

test("what injects, hides or turns the line around goes, and it is said", () => {
  const cases = {
    "<b onclick=x>&amp;</b>": "b onclickxamp;/b",
    "a\u202eb\u2066c\u200bd\u00ade\ufefff": "abcdef",
    "a\tb\r\nc\0d\x7fe\u0085f": "ab\ncdef",
    "`${x}`\\[]{}|^~": "x",
    "\u200d\u200c a\u200d \u200db 1\u200d2": " a b 12",
    "\u{1f1e9}a": "a",
    "a\u{e0041}\u{e007f}": "a",
    "\ud800a\udc00": "a",
    "\ue000\ufffe\u{10ffff}": "",
  };
  for (const [text, kept] of Object.entries(cases)) assert.deepEqual(filter.characters(text), { text: kept, filtered: true });
});

test("configuration cannot let in what the filter is for", () => {
  for (const character of "&<>\0\r\u202e") assert.equal(filter.characters(character).text, "");
  assert.equal(makeFilter({ punctuation: "", linkTraces: [] }).characters("a.b]^-\\").text, "ab");
  assert.equal(makeFilter({ punctuation: "]^-\\", linkTraces: [] }).characters("a.b]^-\\").text, "ab]^-\\");
});

test("what was filtered once stays as it is", () => {
  for (let round = 0; round < 2_000; round++) {
    const { text } = filter.characters(randomText(30));
    assert.deepEqual(filter.characters(text), { text, filtered: false });
  }
});

test("a trace of a link is found however it is dressed", () => {
  const links = [
    "https://example.org", "HTTP://EXAMPLE", "javascript://x", "see www.example.org", "WwW.example",
    "ｈｔｔｐ：／／ｘ", "ＷＷＷ．x", "ⓌⓌⓌ.x", "www。x", "www．x", "www｡x", "www․x", "www۔x", "wwwꓸx",
    "w\u200bww.x", "www\u00ad.x", "ht\u2060tps:\u200d//x", "www\u034f.x", "www\u3164.x", "www\ufe0f.x", "w\0ww.x", "w\u{e0041}ww.x",
    "ww<w.x", "https:&//x", "https:[/]/x", "wẃw.x", "http:\\\\x", "http:/\\x", "http:∕∕x", "http∶//x", "https:\t//x",
  ];
  for (const text of links) assert.ok(filter.hasLink(text), text);
});

test("what is no trace is none", () => {
  for (const text of ["hello. www", "a: //b", "label:\n// comment", "1/2 and 3:4", "ww.x", "", "example.org"])
    assert.ok(!filter.hasLink(text), text);
  assert.ok(!makeFilter({ punctuation: "", linkTraces: [] }).hasLink("https://x"));
});

test("links show their real host, and the parts are the text", () => {
  const cases = {
    "see https://en.wikipedia.org/wiki/A_(b)). ok": ["https://en.wikipedia.org/wiki/A_(b)", "en.wikipedia.org"],
    "(http://münchen.de:8080/ä?x=1&y=#z),": ["http://münchen.de:8080/ä?x=1&y=#z", "xn--mnchen-3ya.de:8080"],
    "HTTPS://EXAMPLE.ORG/Path!": ["HTTPS://EXAMPLE.ORG/Path", "example.org"],
    "https://аррӏе.com": ["https://аррӏе.com", "xn--80ak6aa92e.com"],
    "“https://example.org”": ["https://example.org", "example.org"],
    "https://good.org\u202ehtap/": ["https://good.org", "good.org"],
    "https://good.org\\@evil.org": ["https://good.org\\@evil.org", "good.org"],
    "http://0x7f.1/": ["http://0x7f.1/", "127.0.0.1"],
  };
  for (const [text, [address, host]] of Object.entries(cases)) {
    const [part] = filter.links(text).filter((part) => "href" in part);
    assert.deepEqual([part.text, part.host], [address, host]);
  }
});

test("nothing else becomes a link", () => {
  const texts = [
    "javascript:alert(1)", "javascript://x%0aalert(1)", "data:text/html,x", "ftp://example.org", "www.example.org",
    "//example.org", "https://", "https:///", "https://user@evil.org", "https://bank.org:pw@evil.org", "http://\u202ex",
    "xhttps://example.org",
  ];
  for (const text of texts) assert.deepEqual(filter.links(text), [{ text }], text);
  assert.deepEqual(filter.links(""), []);
});

test("parts always are the text again, and lead to http and https only", () => {
  for (let round = 0; round < 3_000; round++) {
    const text = `${randomText(6)}https://${randomText(12)} http://${randomText(3)}a.${randomText(8)}`;
    const parts = filter.links(text);
    assert.equal(parts.map((part) => part.text).join(""), text);
    for (const part of parts) {
      if (!("href" in part)) continue;
      const { protocol, username, password, host } = new URL(part.href);
      assert.ok(["http:", "https:"].includes(protocol) && username === "" && password === "" && host === part.host);
    }
  }
});

test("no text takes long", () => {
  const began = performance.now();
  const texts = [
    "http://" + ")".repeat(9_993),
    "http://".repeat(1_428),
    "(".repeat(9_000) + "http://a",
    "www".repeat(3_333),
    "\u200d".repeat(10_000),
    "👍🏽\u200d".repeat(2_000),
  ];
  for (const text of texts) {
    filter.links(text);
    filter.hasLink(text);
    filter.characters(text);
  }
  assert.ok(performance.now() - began < 500);
});
