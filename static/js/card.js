// Knows how a file looks in its message: how long it is, how far it has come, what it shows of itself; knows no byte of it.

import { make, pressable } from "./dom.js";
import { t } from "./words.js";

/** @import { Act, Message } from "./message.js" */

const UNITS = ["B", "kB", "MB", "GB"];

/**
 * @param {string} id
 * @param {Message} message
 * @param {Act} act
 */
export function cardOf(id, { file, loading, text, shown }, act) {
  const [, size = 0] = file ?? [];
  const press = (/** @type {"get" | "stop"} */ choice, /** @type {string} */ label) =>
    pressable(make("button", "small", label), () => act(choice, id, ""));
  const row = make("p", "", make("span", "size", sizeOf(size)));
  const card = make("div", "file");
  if (loading === undefined) row.append(press("get", t("Download")));
  else if (loading.state === "coming") {
    const progress = make("progress");
    progress.value = loading.part;
    progress.setAttribute("aria-label", t("Downloading {name}", { name: shown.line }));
    row.append(progress, press("stop", t("Stop")));
  } else if (loading.state === "here") {
    if (loading.kind === "picture") card.append(pictureOf(loading.url, shown.line));
    if (loading.kind === "sound") card.append(soundOf(loading.url, shown.line));
    const save = make("a", "button small", t("Save"));
    save.href = loading.url;
    save.download = text;
    row.append(save);
  } else {
    const words = 
      loading.state === "gone" ? t("No longer there: it goes with the tab that it came from.") : t("Damaged on the way.");
    row.append(make("span", "label", words), press("get", t("Try again")));
  }
  card.append(row);
  return card;
}

/**
 * @param {string} url
 * @param {string} name
 */
function pictureOf(url, name) {
  const picture = make("img");
  picture.src = url;
  picture.alt = name;
  return picture;
}

/**
 * @param {string} url
 * @param {string} name
 */
function soundOf(url, name) {
  const sound = make("audio");
  sound.src = url;
  sound.controls = true;
  sound.setAttribute("aria-label", name);
  return sound;
}

/** @param {number} bytes */
export function sizeOf(bytes) {
  const step = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), UNITS.length - 1);
  const number = bytes / 1000 ** step;
  return `${new Intl.NumberFormat(undefined, { maximumFractionDigits: number < 10 && step > 0 ? 1 : 0 }).format(number)} ${UNITS[step]}`;
}
