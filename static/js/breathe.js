// Knows how long work leaves a page to whoever uses it; knows nothing of the work.

// Longer at a time, and who writes or scrolls would feel it; shorter, and drawing in between takes more than the work.
const SLICE_MS = 16;

let breathed = 0;

/** Awaited between the steps of long work: now and then the page is drawn, and answers. */
export async function breathe() {
  if (performance.now() - breathed < SLICE_MS) return;
  // Timers would do, but browsers let those wait that are set again and again.
  const { port1, port2 } = new MessageChannel();
  await new Promise((resolve) => {
    port1.onmessage = resolve;
    port2.postMessage(0);
  });
  port1.close();
  breathed = performance.now();
}
