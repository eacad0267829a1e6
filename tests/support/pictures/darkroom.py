"""Screenshots made small: at most 256 colours, as indexed PNG. Chromium itself decodes and counts."""

import base64
import struct
import zlib

from playwright.async_api import Page

# Every colour becomes the nearest of those kept; the most frequent are kept, and what is far from all of them.
_REDUCE = """async (source) => {
  const blob = await (await fetch("data:image/png;base64," + source)).blob();
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none" });
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const pixels = new Uint32Array(context.getImageData(0, 0, bitmap.width, bitmap.height).data.buffer);
  const counts = new Map();
  for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) || 0) + 1);
  const colours = [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a));
  const distance = (a, b) =>
    ((a & 255) - (b & 255)) ** 2 + ((a >> 8 & 255) - (b >> 8 & 255)) ** 2 + ((a >> 16 & 255) - (b >> 16 & 255)) ** 2;
  let palette = colours;
  for (let apart = 12; palette.length > 256; apart *= 1.6) {
    palette = [];
    for (const colour of colours) {
      if (palette.every((kept) => distance(kept, colour) > apart)) palette.push(colour);
      if (palette.length > 256) break;
    }
  }
  const places = new Map();
  for (const colour of colours) {
    let best = 0;
    for (let i = 1; i < palette.length; i++)
      if (distance(palette[i], colour) < distance(palette[best], colour)) best = i;
    places.set(colour, best);
  }
  const indexed = new Uint8Array(pixels.length);
  for (let i = 0; i < pixels.length; i++) indexed[i] = places.get(pixels[i]);
  let text = "";
  for (let i = 0; i < indexed.length; i += 30000) text += String.fromCharCode(...indexed.subarray(i, i + 30000));
  return { width: bitmap.width, height: bitmap.height, indexed: btoa(text), palette: palette.map((c) => c & 0xffffff) };
}"""


async def reduced(page: Page, picture: bytes) -> bytes:
    """The same picture as an indexed PNG. ``page`` is any blank page to work in."""
    found = await page.evaluate(_REDUCE, base64.b64encode(picture).decode())
    width, height = found["width"], found["height"]
    indexed = base64.b64decode(found["indexed"])
    rows = b"".join(b"\0" + indexed[at : at + width] for at in range(0, width * height, width))
    colours = b"".join(struct.pack("<I", colour)[:3] for colour in found["palette"])
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"PLTE", colours), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
