// Knows how to show Python what the browser's modules make: one JSON object in, one out. Not a test by itself.

import { text } from "node:stream/consumers";

import { fromBase64url } from "../../static/js/bytes.js";
import { deriveRoom, makeSigner, sealContent } from "../../static/js/crypto.js";
import { importServerKey, makeJoin } from "../../static/js/envelope.js";

const { secret, pem, socketId, site, since, user, contents, requests } = JSON.parse(await text(process.stdin));

const room = await deriveRoom(fromBase64url(secret));
const signer = await makeSigner();
const sealedUser = await sealContent(room, signer, "user", user);
const serverKey = await importServerKey(pem);
const join = await makeJoin({ serverKey, socketId, site: fromBase64url(site), room, signer, user: sealedUser.bytes, since });

const made = { member: signer.member, user: sealedUser.ciphertext, join: join.request, contents: [], sealed: [] };
/** @type {unknown[]} */
const sealedContents = made.contents;
for (const { kind, payload } of contents) {
  const { ciphertext, digest, payloadDigest } = await sealContent(room, signer, kind, payload);
  sealedContents.push({ ciphertext, digest, payloadDigest });
}
/** @type {unknown[]} */
const sealed = made.sealed;
for (const { event, body } of requests) sealed.push(await join.channel.seal(event, fromBase64url(body)));
process.stdout.write(JSON.stringify(made));
