// Knows how Node finds the libraries that pages find by their import map: the very files in static/vendor.
//
// Used as `node --import ./tests/node/vendor.js`.

import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";

const vendor = new URL("../../static/vendor/", import.meta.url);
/** @type {Record<string, string>} */
const imports = JSON.parse(readFileSync(new URL("imports.json", vendor), "utf-8"));

registerHooks({
  resolve(specifier, context, next) {
    const file = imports[specifier];
    return next(file === undefined ? specifier : new URL(file, vendor).href, context);
  },
});
