// Knows how the shell of the site comes to stay in the browser; knows not what it is made of.

import { scriptUrl } from "./trusted.js";

/** @type {ServiceWorkerRegistration | undefined} */
let registration;

/** When there is nothing else to do: nobody waits for it. */
export function keepShell() {
  if (!("serviceWorker" in navigator)) return;
  const keep = async () => {
    try {
      registration = await navigator.serviceWorker.register(scriptUrl("shell"));
    } catch {
      // A certificate that nobody vouches for, or a person who wants nothing kept: the site works without.
    }
  };
  if (document.readyState === "complete") keep();
  else addEventListener("load", keep, { once: true });
}

/** The site has a new one. */
export function renewShell() {
  registration?.update().catch(() => undefined);
}
