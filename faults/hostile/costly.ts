/**
 * Costly: batches and bodies made to cost as much as they can.
 *
 * Owns their making, by hand, in a few bytes each: inflation bombs in every encoding, nesting, lengths that lie,
 * columns that are tiny on the wire and vast in memory, sums of the longest numbers. Promises that each is measured
 * alone, in a gateway of its own process. Never expects one to be refused for being costly: only to be bounded.
 */
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import {
  BATCH_EVENTS_MAX,
  CONTENT_ENCODINGS,
  compressBody,
  decodeBatch,
  inflateBody,
  SENSORS_MAX,
} from '../../src/codec/index.ts';
import { assertTyped } from './decoding.ts';
import { type Gauge, HOLD_MAX_MS } from './gauge.ts';
import { Breach } from './kind.ts';
import { startMeasured } from './measured-process.ts';
import { type Tree, text, whole, writeTree } from './tree.ts';

export const BOMBS = 'inflation bombs in every encoding';
export const NESTING = 'nesting, lengths and counts that lie';
export const COSTLY = 'authentic batches that cost as much as they can';

export interface Burden {
  readonly name: string;
  readonly bytes: Uint8Array;
}

const N = BATCH_EVENTS_MAX;
const ZEROS = 48 * 2 ** 20;

/** An integer column that is the same everywhere. */
const CONSTANT = Buffer.of(0x10, 2);

/** Bodies of a few bytes that inflate past any limit, or to nothing for very long. Each names its encoding. */
export async function bombs(): Promise<(Burden & { readonly encoding: string })[]> {
  const found: (Burden & { readonly encoding: string })[] = [];
  const zeros = Buffer.alloc(ZEROS);
  const packed = gzipSync(zeros);
  for (const encoding of CONTENT_ENCODINGS) {
    if (encoding === 'identity') continue;
    found.push({ name: 'zeros', encoding, bytes: encoding === 'gzip' ? packed : await compressBody(encoding, zeros) });
    found.push({ name: 'a bomb in a bomb', encoding, bytes: await compressBody(encoding, packed) });
  }
  const largest = { params: { [constants.BROTLI_PARAM_QUALITY]: 5, [constants.BROTLI_PARAM_LGWIN]: 24 } };
  found.push({ name: 'zeros in the largest window', encoding: 'br', bytes: brotliCompressSync(zeros, largest) });
  found.push({ name: 'members without end', encoding: 'gzip', bytes: Buffer.concat(Array(1_500).fill(gzipSync(''))) });
  found.push({
    name: 'members beyond number',
    encoding: 'gzip',
    bytes: Buffer.concat(Array(150_000).fill(gzipSync(''))),
  });
  return found;
}

/** msgpack that is nothing but shape. */
export function shapes(): Burden[] {
  const said = (type: number, length: number, filler: number, count: number): Buffer => {
    const bytes = Buffer.alloc(5 + count, filler);
    bytes[0] = type;
    bytes.writeUInt32BE(length, 1);
    return bytes;
  };
  return [
    { name: 'nested without end', bytes: Buffer.alloc(4 * 2 ** 20, 0x91) },
    { name: 'maps nested without end', bytes: Buffer.alloc(4 * 2 ** 20, 0x81) },
    { name: 'a list of 2^32 − 1', bytes: said(0xdd, 0xffffffff, 0xc0, 2 ** 20) },
    { name: 'a map of 2^31', bytes: said(0xdf, 2 ** 31, 0xa0, 2 ** 20) },
    { name: 'a text of 2^32 − 1', bytes: said(0xdb, 0xffffffff, 0x61, 2 ** 20) },
    { name: 'a bin of 2^32 − 1', bytes: said(0xc6, 0xffffffff, 0, 2 ** 20) },
    { name: 'nothing, 30 million times', bytes: said(0xdd, 30_000_000, 0xc0, 30_000_000) },
    { name: 'empty texts, as many as may be', bytes: said(0xdd, 131_000, 0xa0, 131_000) },
    { name: 'empty lists, as many as may be', bytes: said(0xdd, 131_000, 0x90, 131_000) },
  ];
}

/** Batches that keep to every limit of the format, or pass one by a little. */
export function burdens(stream: () => Uint8Array): Burden[] {
  const odd = oddDoubles(N);
  const batch = (columns: Tree, count: number, gaps: Tree = list()): Uint8Array =>
    writeTree({
      kind: 'map',
      items: [
        ...[text('v'), whole(1), text('stream'), bin(stream()), text('first'), whole(1), text('count'), whole(count)],
        ...[text('sent'), whole(0), text('queue'), list(whole(0), whole(0), whole(0), whole(0)), text('gaps'), gaps],
        ...[text('columns'), columns],
      ],
    });
  const columns = (
    count: number,
    times: Uint8Array,
    fields: readonly Tree[],
    sensors = ['s'],
    order?: Uint8Array,
  ): Tree =>
    list(
      whole(count),
      list(...sensors.map(text)),
      order === undefined ? { kind: 'nil' } : bin(order),
      bin(times),
      list(...fields),
    );
  const some = (name: string, count: number, times: Uint8Array, fields: readonly Tree[]): Burden => ({
    name,
    bytes: batch(columns(count, times, fields), count),
  });
  const constants_ = (many: number) =>
    times(many, (i) => list(text(`f${i}`), whole(0), { kind: 'nil' }, whole(0), bin(CONSTANT), ...nils(3)));
  const odds = (many: number, count: number) =>
    times(many, (i) => list(text(`f${i}`), whole(0), { kind: 'nil' }, bin(count === N ? odd : oddDoubles(count))));
  const half = Buffer.alloc(N / 8, 0x55);
  const alone = (i: number): Buffer => {
    const bits = Buffer.alloc(N / 8);
    bits[i] = 1;
    return bits;
  };
  const texts = times(N, (i) => text(`${i}`.padStart(60, '.')));
  const steps = (stepMs: number) => Buffer.concat([Buffer.of(0x20, 0), varint(2 * stepMs)]);
  const digits = `${'9'.repeat(400)}.${'9'.repeat(400)}`;
  const sums: Tree = { kind: 'map', items: times(512, (i) => [text(`m${i}`), text(digits)]).flat() };
  return [
    some('2 million equal values', N, CONSTANT, constants_(32)),
    some('2 million doubles of 17 digits', N, CONSTANT, odds(31, N)),
    some('2 million values, each in a minute of its own', N, steps(60_000), constants_(32)),
    some('as many sums as may be, of 17 digits', 8_192, steps(60_000), odds(31, 8_192)),
    some('as many sums as 16,384 pages have, each in a day of its own', 5_400, steps(86_400_000), odds(31, 5_400)),
    some('as many pages as may be', 5_400, steps(32 * 86_400_000), constants_(1)),
    some('512 columns, of which 511 hold one value', N, CONSTANT, [
      ...constants_(1),
      ...times(511, (i) => list(text(`g${i}`), whole(0), bin(alone(i)), whole(0), bin(CONSTANT), ...nils(3))),
    ]),
    some(
      '512 columns of half the rows',
      N,
      CONSTANT,
      times(512, (i) => list(text(`g${i}`), whole(2), bin(half), bin(Buffer.alloc(N / 16)))),
    ),
    some('65,536 texts', N, CONSTANT, [
      list(text('t'), whole(1), { kind: 'nil' }, list(...texts), bin(Buffer.of(0x20, 0, 2))),
    ]),
    {
      name: 'as many sensors as may be',
      bytes: batch(
        columns(
          N,
          CONSTANT,
          constants_(8),
          times(SENSORS_MAX, (i) => `s${i}`),
          sawtooth(SENSORS_MAX),
        ),
        N,
      ),
    },
    {
      name: 'as many sums of gaps as may be, of 800 digits',
      bytes: batch(
        columns(0, Buffer.of(0), [], []),
        0,
        list(...times(16, (i) => list(whole(2 * i + 1), whole(2 * i + 1), text('quota'), sums))),
      ),
    },
  ];
}

/** Everything that needs no gateway. Throws where one is not bounded. */
export async function weighBombs(gauge: Gauge, struck: (name: string) => void): Promise<void> {
  for (const { name, encoding, bytes } of await bombs()) {
    const before = process.memoryUsage.rss();
    try {
      await inflateBody(encoding, bytes);
    } catch (error) {
      assertTyped(error);
    }
    gauge.weigh();
    const grown = process.memoryUsage.rss() - before;
    if (grown > 256 * 2 ** 20) throw new Breach(`${name} in ${encoding}: ${grown} bytes`);
    struck(BOMBS);
  }
  for (const { name, bytes } of [...shapes(), ...burdens(() => Buffer.alloc(16))]) {
    try {
      gauge.time(NESTING, () => decodeBatch(bytes));
    } catch (error) {
      if (error instanceof Breach) throw new Breach(`${name}: ${error.message}`);
      assertTyped(error);
    }
    gauge.weigh();
    struck(NESTING);
  }
}

/** A machine that does something else meanwhile holds it, too: what seems long is done again. */
const ATTEMPTS_MAX = 3;

/**
 * Each through a gateway in a process of its own, alone. Gives the longest time for which its event loop was held, in
 * milliseconds of its thread.
 */
export async function weighBatches(
  folder: string,
  stream: () => Uint8Array,
  struck: (name: string) => void,
): Promise<number> {
  const gateway = await startMeasured(folder);
  let longest = 0;
  try {
    for (const [i, { name, bytes }] of burdens(stream).entries()) {
      let shortest = Infinity;
      for (let attempt = 0; attempt < ATTEMPTS_MAX && shortest > HOLD_MAX_MS; attempt++) {
        // Each of another device: what one may have would bound what the next one does, and what came before is a
        // duplicate.
        const deviceId = `d${1_000 * attempt + i}`;
        const { holdMs } = await gateway.measure(name, async () => {
          if (!(await gateway.strike(deviceId, bytes))) throw new Error('not signed');
        });
        shortest = Math.min(shortest, holdMs);
      }
      if (shortest > HOLD_MAX_MS) throw new Breach(`${name}: the event loop was held for ${Math.round(shortest)} ms`);
      longest = Math.max(longest, shortest);
      struck(COSTLY);
    }
  } finally {
    await gateway.stop();
  }
  return longest;
}

function list(...items: Tree[]): Tree {
  return { kind: 'list', items };
}

function bin(bytes: Uint8Array): Tree {
  return { kind: 'bin', bytes };
}

function nils(count: number): Tree[] {
  return times(count, () => ({ kind: 'nil' }));
}

function times<T>(count: number, make: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i));
}

function varint(code: number): Buffer {
  const bytes: number[] = [];
  let rest = code;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return Buffer.from([...bytes, rest]);
}

/** 0, 1, 2 … up to the bound, and again, over all rows: two planes. */
function sawtooth(bound: number): Buffer {
  const bytes = Buffer.alloc(1 + 2 * N);
  bytes[0] = 0x02;
  for (let i = 0; i < N; i++) {
    const code = 2 * (i % bound);
    bytes[1 + i] = code & 0xff;
    bytes[1 + N + i] = code >> 8;
  }
  return bytes;
}

/** Doubles of 17 digits, of the greatest and least exponents in turn; bytes of one place lie together. */
function oddDoubles(count: number): Buffer {
  const planes = Buffer.alloc(8 * count);
  for (let i = 0; i < count; i++) {
    for (let plane = 0; plane < 6; plane++) planes[plane * count + i] = i * (2 * plane + 37);
    planes[6 * count + i] = i & 0x6f;
    planes[7 * count + i] = i % 2 === 0 ? 0x7f : 0x01;
  }
  return planes;
}
