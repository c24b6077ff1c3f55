// Knows how the page shows the colours that a person wants; the style sheet knows what they are.

const THEMES = ["dark", "light", "contrast", "system"];

/** @param {string | null} wanted one of the themes, or nothing that is known: then the usual one */
export function showTheme(wanted) {
  const theme = wanted !== null && THEMES.includes(wanted) ? wanted : "dark";
  const more = theme === "system" && matchMedia("(prefers-contrast: more)").matches;
  document.documentElement.dataset.theme = more ? "contrast" : theme;
  return theme;
}
