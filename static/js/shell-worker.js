// Knows how the shell of the site stays in the browser: files whose addresses hold their hash, and a page for whoever is
// offline; refuses to keep anything else, and so anything that was said or that tells where somebody was.

/**
 * The server writes this above: which build it is, and the addresses of its files.
 * @type {{build: string, offline: string, files: string[]}}
 */
const { build, offline, files } = /** @type {any} */ (globalThis).SHELL;
const worker = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (globalThis));
const PREFIX = "chatsite-";
const NAME = `${PREFIX}${build}`;
const FILES = `/static/${build}/`;

worker.addEventListener("install", (event) => event.waitUntil(fill()));
worker.addEventListener("activate", (event) => event.waitUntil(tidy()));
worker.addEventListener("fetch", (event) => {
  const { method, mode, url } = event.request;
  const { origin, pathname } = new URL(url);
  if (method !== "GET" || origin !== worker.origin) return;
  if (pathname.startsWith(FILES)) event.respondWith(kept(event.request));
  else if (mode === "navigate") event.respondWith(page(event));
});

async function fill() {
  const cache = await caches.open(NAME);
  await cache.addAll([offline, ...files]);
}

/** Pages of earlier builds are closed by now. */
async function tidy() {
  await worker.registration.navigationPreload?.enable();
  for (const name of await caches.keys()) if (name.startsWith(PREFIX) && name !== NAME) await caches.delete(name);
}

/**
 * What the hash is of never changes. What is wanted now and then comes to the rest when it is first wanted.
 * @param {Request} request
 */
async function kept(request) {
  const cache = await caches.open(NAME);
  const found = await cache.match(request);
  if (found) return found;
  const answer = await fetch(request);
  if (answer.status === 200) await cache.put(request, answer.clone());
  return answer;
}

/**
 * Always the server's own, as long as there is one.
 * @param {FetchEvent} event
 */
async function page(event) {
  try {
    return (await event.preloadResponse) ?? (await fetch(event.request));
  } catch {
    const cache = await caches.open(NAME);
    return (await cache.match(offline)) ?? Response.error();
  }
}
