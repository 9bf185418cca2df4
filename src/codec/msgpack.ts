/**
 * Msgpack: bytes as values, in bounded memory (proto-spec/batch.md, "Structure").
 *
 * The outline is walked first, then the library reads. It reads a usual batch in one go; one of very many values, such
 * as 65,536 texts, which take some 20 ms, it reads a run of them at a time.
 */
import { Decoder } from '@msgpack/msgpack';
import { CodecError } from './errors.ts';
import { BATCH_BYTES_MAX, COLUMNS_MAX, NODES_MAX, TEXT_BYTES_MAX } from './limits.ts';
import { Header, outlineInSteps } from './outline.ts';
import { allAtOnce, type Steps } from './steps.ts';

/** The library's own bounds, all set; what it has no bound for, the outline has. */
const decoder = new Decoder({
  maxStrLength: TEXT_BYTES_MAX,
  maxBinLength: BATCH_BYTES_MAX,
  maxArrayLength: NODES_MAX,
  maxMapLength: COLUMNS_MAX,
  maxExtLength: 0,
  mapKeyConverter: (key) => {
    if (typeof key === 'string') return key;
    throw new TypeError('a map key is text');
  },
});

/** So many values are read in one go: some 0.1 ms. */
const RUN_VALUES = 512;

/** What a value weighs (see `Steps`): an object or a text is made. */
const VALUE_WEIGHT = 8;

/**
 * Bounded msgpack: the outline first, then the library.
 * @throws CodecError `batch-malformed`, `batch-limit`
 */
export function decodeMsgpack(bytes: Uint8Array): unknown {
  return allAtOnce(msgpackInSteps(bytes));
}

/** As `decodeMsgpack`, with a step for some hundred values. */
export function* msgpackInSteps(bytes: Uint8Array): Steps<unknown> {
  if (bytes.length > BATCH_BYTES_MAX) {
    throw new CodecError('batch-limit', `more than ${BATCH_BYTES_MAX} bytes`);
  }
  const values = yield* outlineInSteps(bytes);
  return values <= RUN_VALUES ? read(() => decoder.decode(bytes)) : yield* valueAt(new Header(bytes), bytes);
}

/** The value at the header's place, behind which the header is then. */
function* valueAt(header: Header, bytes: Uint8Array): Steps<unknown> {
  header.read();
  const { at, next, children, isMap } = header;
  // A container of none is read like a leaf.
  header.at = next;
  if (children === 0) return read(() => decoder.decode(bytes.subarray(at, next)));
  const items = yield* itemsAt(header, bytes, children);
  return isMap ? mapOf(items) : items;
}

/** So many values, one behind the other; those that hold no others are read in runs. */
function* itemsAt(header: Header, bytes: Uint8Array, count: number): Steps<unknown[]> {
  const items: unknown[] = [];
  for (let left = count; left > 0; ) {
    const begin = header.at;
    const leaves = passLeaves(header, Math.min(left, RUN_VALUES));
    if (leaves === 0) {
      items.push(yield* valueAt(header, bytes));
      left -= 1;
      continue;
    }
    const run = bytes.subarray(begin, header.at);
    read(() => {
      for (const item of decoder.decodeMulti(run)) items.push(item);
    });
    left -= leaves;
    yield VALUE_WEIGHT * leaves;
  }
  return items;
}

/** Moves the header behind the next values that hold no others, at most so many; gives how many there were. */
function passLeaves(header: Header, most: number): number {
  let leaves = 0;
  for (; leaves < most; leaves++) {
    header.read();
    if (header.children > 0) break;
    header.at = header.next;
  }
  return leaves;
}

/** Keys and values in turn. As the library makes it: of two with one key the later one counts. */
function mapOf(items: readonly unknown[]): Record<string, unknown> {
  if (items.length > 2 * COLUMNS_MAX) throw malformed(new RangeError('too many keys'));
  const map: Record<string, unknown> = {};
  for (let i = 0; i < items.length; i += 2) {
    const key = items[i];
    if (typeof key !== 'string') throw malformed(new TypeError('a map key is text'));
    if (key === '__proto__') throw malformed(new TypeError('no key is __proto__'));
    map[key] = items[i + 1];
  }
  return map;
}

function read<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw malformed(cause as Error);
  }
}

function malformed(cause: Error): CodecError {
  return new CodecError('batch-malformed', `not msgpack: ${cause.message}`, { cause });
}
