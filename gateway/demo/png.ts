// Makes a PNG picture: a symmetric pattern of coloured tiles.
import { promisify } from "node:util";
import { crc32, deflate } from "node:zlib";
import type { Dice } from "./dice.ts";

const compress = promisify(deflate);
const tiles = 8;
const colours = 4;

/** A chunk as the PNG specification has it: length, type, data, CRC-32 of type and data. */
function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const whole = Buffer.alloc(body.length + 8);
  whole.writeUInt32BE(data.length, 0);
  body.copy(whole, 4);
  whole.writeUInt32BE(crc32(body), body.length + 4);
  return whole;
}

/** `width` and `height` in pixels. Eight bits a pixel, from a palette of four colours. */
export async function png(width: number, height: number, dice: Dice): Promise<Buffer> {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 3, 0, 0, 0], 8);
  const palette = Buffer.from(Array.from({ length: colours * 3 }, () => dice.whole(32, 240)));
  const rows = Array.from({ length: tiles }, () => {
    const half = Array.from({ length: tiles / 2 }, () => dice.whole(0, colours - 1));
    const row = Buffer.alloc(width + 1);
    // The first byte of a row is its filter, here none.
    for (let x = 0; x < width; x++) {
      const tile = Math.floor((x * tiles) / width);
      row[x + 1] = half[tile < tiles / 2 ? tile : tiles - 1 - tile] ?? 0;
    }
    return row;
  });
  const pixels = Buffer.concat(
    Array.from({ length: height }, (_, y) => rows[Math.floor((y * tiles) / height)] ?? Buffer.alloc(width + 1)),
  );
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk("IHDR", header),
    chunk("PLTE", palette),
    chunk("IDAT", await compress(pixels, { level: 1 })),
    chunk("IEND", new Uint8Array()),
  ]);
}
