import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import zlib from 'node:zlib';
import fc from 'fast-check';
import { CONTENT_ENCODINGS, CodecError, compressBody, inflateBody, isContentEncoding } from '../../src/codec/index.ts';
import { coded } from './events.ts';
import { changed, seedOf } from './property.ts';

const compressing = CONTENT_ENCODINGS.filter((encoding) => encoding !== 'identity');

test('the best encoding for columns comes first, identity last', () => {
  const wanted = ['br', 'zstd', 'gzip', 'identity'].filter((name) => name !== 'zstd' || 'zstdCompress' in zlib);
  assert.deepEqual(CONTENT_ENCODINGS, wanted);
  assert(isContentEncoding('br'));
  for (const name of ['deflate', 'BR', '', 'toString', '__proto__']) assert(!isContentEncoding(name));
});

test('every body comes back', async (t) => {
  const property = fc.asyncProperty(
    fc.constantFrom(...CONTENT_ENCODINGS),
    fc.oneof(
      fc.uint8Array(),
      fc.nat(100_000).map((length) => new Uint8Array(length)),
    ),
    async (encoding, bytes) => {
      const back = await inflateBody(encoding, await compressBody(encoding, bytes));
      assert(Buffer.from(bytes).equals(back));
    },
  );
  await fc.assert(property, { seed: seedOf(t), numRuns: 200 });
});

test('inflating stops at the limit', async () => {
  for (const encoding of CONTENT_ENCODINGS) {
    const body = await compressBody(encoding, new Uint8Array(1_000));
    assert.equal((await inflateBody(encoding, body, 1_000)).length, 1_000);
    await assert.rejects(inflateBody(encoding, body, 999), coded('body-too-large'), encoding);
  }
});

test('a bomb takes no more memory than the limit', async () => {
  const zeros = Buffer.alloc(80 * 1024 * 1024);
  const bomb = zlib.gzipSync(zeros, { level: 1 });
  const before = process.memoryUsage().arrayBuffers - zeros.length;
  await assert.rejects(inflateBody('gzip', bomb), coded('body-too-large'));
  await assert.rejects(
    inflateBody('br', zlib.brotliCompressSync(zeros, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } })),
    coded('body-too-large'),
  );
  const held = process.memoryUsage().arrayBuffers - zeros.length - before;
  assert(held < 70 * 1024 * 1024, `${held} bytes`);
});

test('a body that is cut, changed, or nothing is corrupt', async () => {
  for (const encoding of compressing) {
    const body = Buffer.from(await compressBody(encoding, Buffer.from('tide '.repeat(100))));
    for (const broken of [Buffer.alloc(0), body.subarray(0, -1), body.subarray(1), Buffer.alloc(20, 0xff)]) {
      await assert.rejects(inflateBody(encoding, broken), coded('body-corrupt'), `${encoding} ${broken.length}`);
    }
  }
});

test('nothing may follow the end of what was compressed, whatever it is and wherever it is inflated', async () => {
  const noise = randomBytes(64 * 1024);
  for (const encoding of compressing) {
    for (const bytes of [Buffer.from('tide '.repeat(100)), noise]) {
      const body = Buffer.from(await compressBody(encoding, bytes));
      assert(Buffer.from(await inflateBody(encoding, body)).equals(bytes));
      for (const tail of [Buffer.alloc(1), Buffer.alloc(40_000), Buffer.from('A'), Buffer.alloc(9, 0xff)]) {
        const longer = Buffer.concat([body, tail]);
        await assert.rejects(inflateBody(encoding, longer), coded('body-corrupt'), `${encoding} ${tail.length}`);
      }
    }
  }
});

test('an encoding that is not known is named as such', async () => {
  for (const encoding of ['deflate', 'constructor', 'gzip, br', '']) {
    await assert.rejects(inflateBody(encoding, new Uint8Array(1)), coded('encoding-unsupported'), encoding);
  }
  await assert.rejects(inflateBody('x'.repeat(9_000), new Uint8Array(1)), ({ message }: Error) => message.length < 200);
  await assert.rejects(compressBody('deflate' as never, new Uint8Array(1)), coded('encoding-unsupported'));
});

test('a body that is changed inflates within the limit, or is refused', async (t) => {
  const property = fc.asyncProperty(
    fc
      .constantFrom('br', 'gzip')
      .chain((encoding) =>
        fc
          .uint8Array({ maxLength: 300 })
          .chain((bytes) => fc.tuple(fc.constant(encoding), packedChange(encoding, bytes))),
      ),
    fc.nat(400),
    async ([encoding, body], bytesMax) => {
      const outcome = await inflateBody(encoding, body, bytesMax).catch((error: unknown) => error);
      if (outcome instanceof Uint8Array) assert(outcome.length <= bytesMax);
      else
        assert(
          outcome instanceof CodecError && ['body-corrupt', 'body-too-large'].includes(outcome.code),
          String(outcome),
        );
    },
  );
  await fc.assert(property, { seed: seedOf(t), numRuns: 1_000 });
});

/** Compressed at once: what is small is. */
function packedChange(encoding: string, bytes: Uint8Array): fc.Arbitrary<Uint8Array> {
  return changed(encoding === 'br' ? zlib.brotliCompressSync(bytes) : zlib.gzipSync(bytes));
}
