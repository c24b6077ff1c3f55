// Knows how to show Python what the filter lets through: rules and texts in, what is left of them out. Not a test by itself.

import { text } from "node:stream/consumers";

import { makeFilter } from "../../static/js/filters.js";

const { rules, texts } = JSON.parse(await text(process.stdin));
const filter = makeFilter(rules);
process.stdout.write(JSON.stringify(texts.map((/** @type {string} */ each) => filter.characters(each))));
