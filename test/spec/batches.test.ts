/** proto-spec/vectors about bytes, replayed in both directions. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  addDecimals,
  CodecError,
  createTableBuilder,
  type Decimal,
  decimalOf,
  decodeBatch,
  digestOf,
  encodeBatch,
  encodeColumns,
  eventsOf,
  formatDecimal,
  inflateBody,
  isContentEncoding,
  parseDecimal,
  sumMeasures,
  ZERO,
} from '../../src/codec/index.ts';
import { decodeIntegers, encodeIntegers } from '../../src/codec/integers.ts';
import { type BatchVector, bytesOf, doubleOf, eventOf, readVectors } from './vectors.ts';

const batches = readVectors('batches.json').batches;

function headerOf({ stream, first, count, sent, queue, gaps }: BatchVector) {
  const [recorded, queued, quarantined, given] = queue;
  return {
    stream: new Uint8Array(bytesOf(stream)),
    first,
    count,
    sentAt: sent,
    queue: { recorded, queued, quarantined, gaps: given },
    gaps: gaps.map(([from, last, reason, sums]) => ({ first: from, last, reason, sums })),
  };
}

function tableOf(vector: BatchVector) {
  const builder = createTableBuilder();
  for (const event of vector.events) assert(builder.add(eventOf(event)));
  return builder.build();
}

/** What `assert.throws` takes to mean this code. */
function refusedWith(code: string, offset?: number): (error: unknown) => true {
  return (error) => {
    assert(error instanceof CodecError, String(error));
    assert.equal(error.code, code, error.message);
    if (offset !== undefined) assert.equal(error.offset, offset);
    return true;
  };
}

test('every batch decodes to its header, events and sums', () => {
  assert(batches.length > 60);
  for (const vector of batches) {
    const { table, ...header } = decodeBatch(bytesOf(vector.hex));
    assert.deepEqual({ ...header, stream: new Uint8Array(header.stream) }, headerOf(vector), vector.name);
    assert.deepEqual([...eventsOf(table)], vector.events.map(eventOf), vector.name);
    const sums = new Map<string, Decimal>();
    for (const column of table.columns) {
      if (column.kind === 'measure') sums.set(column.name, sumMeasures(column.measures));
    }
    const texts = [...sums].map(([name, sum]) => [name, formatDecimal(sum)]);
    assert.deepEqual(Object.fromEntries(texts), vector.sums, vector.name);
  }
});

test('the encoder writes exactly its own vectors', () => {
  for (const vector of batches.filter(({ own }) => own)) {
    const bytes = encodeBatch(headerOf(vector), encodeColumns(tableOf(vector)));
    assert.equal(Buffer.from(bytes).toString('hex'), vector.hex, vector.name);
  }
});

test('what another encoder wrote has the same digest as what ours writes', () => {
  for (const vector of batches) {
    const { table, first, count } = decodeBatch(bytesOf(vector.hex));
    const own = digestOf(tableOf(vector), first)(0, count);
    assert.equal(digestOf(table, first)(0, count), own, vector.name);
  }
});

test('the vectors cover every form of every column', () => {
  const forms = new Set(batches.flatMap(({ hex }) => formsIn(bytesOf(hex))));
  for (const form of ['measure', 'text', 'flag', 'doubles', 'nudges', 'odd', 'presence', 'order', 'gaps']) {
    assert(forms.has(form), form);
  }
  const packed = new Set(readVectors('integers.json').valid.map(({ hex }) => hex.slice(0, 2)));
  for (const order of [0, 1, 2]) {
    for (const layout of [0, 1, 2, 3, 4, 5, 6, 7, 15]) {
      assert(packed.has((16 * order + layout).toString(16).padStart(2, '0')), `order ${order}, layout ${layout}`);
    }
  }
});

function formsIn(bytes: Uint8Array): string[] {
  const { table, gaps } = decodeBatch(bytes);
  const forms = table.columns.flatMap((column) => {
    const found: string[] = column.rows === null ? [column.kind] : [column.kind, 'presence'];
    if (column.kind !== 'measure') return found;
    const { odd, values, mantissas, scale } = column.measures;
    if (odd.length > 0 && odd.length === values.length) found.push('doubles');
    for (const at of odd) found.push(Math.abs(values[at]! - mantissas[at]! / 10 ** scale) < 1e-12 ? 'nudges' : 'odd');
    return found;
  });
  return [...forms, ...(table.sensors.length > 1 ? ['order'] : []), ...(gaps.length > 0 ? ['gaps'] : [])];
}

test('every invalid batch is refused with its code', () => {
  const invalid = readVectors('invalid-batches.json').batches;
  assert(invalid.length > 100);
  for (const { name, hex, code, offset } of invalid) {
    assert.throws(() => decodeBatch(bytesOf(hex)), refusedWith(code, offset), name);
  }
});

test('integer columns unpack, and pack to the smallest form', () => {
  const { valid, invalid } = readVectors('integers.json');
  for (const { name, values, hex, smallest } of valid) {
    assert.deepEqual([...decodeIntegers(bytesOf(hex), values.length).values], values, `${name}: ${hex}`);
    const own = Buffer.from(encodeIntegers(Float64Array.from(values))).toString('hex');
    assert.equal(own === hex, smallest, `${name}: ${hex}`);
    assert(own.length <= hex.length, `${name}: ${hex} is smaller than ${own}`);
  }
  for (const { name, count, hex, code } of invalid) {
    assert.throws(() => decodeIntegers(bytesOf(hex), count), refusedWith(code), name);
  }
});

test('doubles mean their decimals, and add up exactly', () => {
  const { doubles, sums, texts } = readVectors('decimals.json');
  for (const { bits, text } of doubles) assert.equal(formatDecimal(decimalOf(doubleOf(bits))), text);
  for (const { name, bits, sum } of sums) {
    const total = bits.map((each) => decimalOf(doubleOf(each))).reduce(addDecimals, ZERO);
    assert.equal(formatDecimal(total), sum, name);
  }
  for (const text of texts.valid) assert(parseDecimal(text), text);
  for (const text of texts.invalid) assert.equal(parseDecimal(text), undefined, text);
});

test('bodies inflate to the batch, or not at all', async (t) => {
  const { batch, valid, invalid } = readVectors('bodies.json');
  for (const { name, encoding, hex } of valid) {
    if (!isContentEncoding(encoding)) t.diagnostic(`this runtime has no ${encoding}`);
    else assert.equal(Buffer.from(await inflateBody(encoding, bytesOf(hex))).toString('hex'), batch, name);
  }
  for (const { name, encoding, hex, bytesMax, code } of invalid) {
    const due = encoding === 'zstd' && !isContentEncoding(encoding) ? 'encoding-unsupported' : code;
    await assert.rejects(inflateBody(encoding, bytesOf(hex), bytesMax), refusedWith(due), name);
  }
});
