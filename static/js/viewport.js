// Knows how much of the window is really in view; keeps the composer above a phone's keyboard.

/** Browsers that lay the keyboard over the page tell it through the visual viewport alone. */
export function keepInView() {
  const seen = window.visualViewport;
  if (!seen) return;
  const fit = () => {
    // Somebody who magnifies the page wants to move over it, not to have it shrunk to the lens.
    const magnified = Math.abs(seen.scale - 1) > 0.01;
    const style = document.documentElement.style;
    style.setProperty("--view-height", magnified ? "100dvh" : `${seen.height}px`);
    style.setProperty("--view-top", magnified ? "0px" : `${seen.offsetTop}px`);
  };
  seen.addEventListener("resize", fit);
  seen.addEventListener("scroll", fit);
  fit();
}
