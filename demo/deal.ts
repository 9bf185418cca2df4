/**
 * Deal: the rows of one file, dealt out to several devices like cards.
 *
 * Owns the splitting. Promises that every row goes to exactly one device, byte for byte, and that a CSV file's heading goes
 * to all. Never reads what is in a row.
 */
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { extname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { finished } from 'node:stream/promises';

export interface Hand {
  readonly path: string;
  readonly rows: number;
}

/** Writes `count` files into the folder. */
export async function dealRows(path: string, folder: string, count: number): Promise<Hand[]> {
  const isCsv = /\.(csv|tsv)$/i.test(path);
  const paths = Array.from({ length: count }, (_, i) => join(folder, `rows-${i + 1}${extname(path)}`));
  const hands = paths.map((hand) => createWriteStream(hand));
  let heading = isCsv;
  let turn = 0;
  for await (const row of isCsv ? csvRecords(path) : linesOf(path)) {
    const text = `${row}\n`;
    if (heading) for (const hand of hands) hand.write(text);
    else if (row.trim() !== '') {
      const hand = hands[turn++ % count]!;
      if (!hand.write(text)) await once(hand, 'drain');
    }
    heading = false;
  }
  await Promise.all(hands.map((hand) => finished(hand.end())));
  return paths.map((hand, i) => ({ path: hand, rows: Math.floor(turn / count) + (i < turn % count ? 1 : 0) }));
}

function linesOf(path: string): AsyncIterable<string> {
  return createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY });
}

/** A record goes on while a quoted cell is open. */
async function* csvRecords(path: string): AsyncGenerator<string, void, void> {
  let record = '';
  for await (const line of linesOf(path)) {
    record = record === '' ? line : `${record}\n${line}`;
    if ((record.split('"').length - 1) % 2 === 1) continue;
    yield record;
    record = '';
  }
  if (record !== '') yield record;
}
