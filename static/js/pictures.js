// Knows what a picture's first bytes say of it; decodes nothing.

/** @import { Bytes } from "./bytes.js" */

// Four bytes each once they are decoded.
const MAX_PIXELS = 40_000_000;

/**
 * @param {Bytes} bytes the beginning of a file
 * @returns {string | undefined} the media type, if it is a picture of dots that a browser can show without harm
 */
export function pictureType(bytes) {
  const found = READERS.find(({ magic }) => magic.every((byte, at) => byte === null || bytes[at] === byte));
  if (!found) return undefined;
  try {
    const [width, height] = found.size(new DataView(bytes.buffer, bytes.byteOffset, bytes.length));
    return width > 0 && height > 0 && width * height <= MAX_PIXELS ? found.type : undefined;
  } catch {
    return undefined; // it ends too early
  }
}

const RIFF = [82, 73, 70, 70, null, null, null, null, 87, 69, 66, 80];

/** @type {{type: string, magic: (number | null)[], size: (view: DataView) => [number, number]}[]} */
const READERS = [
  {
    type: "image/png",
    magic: [137, 80, 78, 71, 13, 10, 26, 10, null, null, null, null, 73, 72, 68, 82],
    size: (view) => [view.getUint32(16), view.getUint32(20)],
  },
  { type: "image/gif", magic: [71, 73, 70, 56], size: (view) => [view.getUint16(6, true), view.getUint16(8, true)] },
  { type: "image/jpeg", magic: [255, 216, 255], size: jpegSize },
  {
    type: "image/webp",
    magic: [...RIFF, 86, 80, 56, 32],
    size: (view) => [view.getUint16(26, true) & 0x3fff, view.getUint16(28, true) & 0x3fff],
  },
  {
    type: "image/webp",
    magic: [...RIFF, 86, 80, 56, 76],
    size(view) {
      const bits = view.getUint32(21, true);
      return [(bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1];
    },
  },
  {
    type: "image/webp",
    magic: [...RIFF, 86, 80, 56, 88],
    size: (view) => [(view.getUint32(24, true) & 0xffffff) + 1, (view.getUint32(27, true) & 0xffffff) + 1],
  },
];

/**
 * In the first segment that begins a frame.
 * @param {DataView} view
 * @returns {[number, number]}
 */
function jpegSize(view) {
  let at = 2;
  for (;;) {
    const marker = view.getUint8(at + 1);
    if (view.getUint8(at) !== 255) throw new RangeError("no marker");
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker))
      return [view.getUint16(at + 7), view.getUint16(at + 5)];
    at += 2 + view.getUint16(at + 2);
  }
}
