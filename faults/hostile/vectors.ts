/**
 * Vectors: everything in proto-spec/vectors, against the codec and against a gateway.
 *
 * Owns the replay. Promises that what a vector calls valid counts and what it calls invalid is refused with its code,
 * by both.
 */
import { compressBody, decodeBatch, inflateBody, isContentEncoding } from '../../src/codec/index.ts';
import { verdictOf } from './batches.ts';
import { BODIES, type BodyVector, INVALID_BATCHES, VALID_BATCHES } from './corpus.ts';
import { assertSound } from './decoding.ts';
import { Breach, describe } from './kind.ts';
import type { Target } from './target.ts';

export const VECTORS = 'every vector of proto-spec';

export async function replayVectors(target: Target, struck: (name: string, events?: number) => void): Promise<void> {
  for (const { name, hex, code } of [...VALID_BATCHES, ...INVALID_BATCHES]) {
    const bytes = Buffer.from(hex, 'hex');
    await named(name, async () => {
      assertSound(bytes);
      const body = await compressBody('br', bytes);
      await replay(target, body, 'br', code);
    });
    struck(VECTORS, code === undefined ? decodeBatch(bytes).count : 0);
  }
  for (const vector of [...BODIES.valid, ...BODIES.invalid]) {
    await named(vector.name, () => replayBody(target, vector));
    struck(VECTORS);
  }
}

async function replayBody(target: Target, { hex, encoding, bytesMax, code: said }: BodyVector): Promise<void> {
  // Node has Zstandard since 22.15.
  const code = encoding === 'zstd' && !isContentEncoding(encoding) ? 'encoding-unsupported' : said;
  const body = Buffer.from(hex, 'hex');
  if (bytesMax === undefined) return await replay(target, body, encoding, code);
  // Of a limit that no gateway has.
  const heard = await inflateBody(encoding, body, bytesMax).then(
    () => undefined,
    (error: { readonly code?: string }) => error.code,
  );
  if (heard !== code) throw new Breach(`${heard}, not ${code}`);
}

async function replay(target: Target, body: Uint8Array, encoding: string, code: string | undefined): Promise<void> {
  const due = await verdictOf(encoding, body);
  if ((typeof due === 'string' ? due : undefined) !== code) throw new Breach(`${String(due)}, not ${code}`);
  // A device of its own: vectors share their stream, and this is not about collisions.
  const deviceId = `d${800_000 + replayed++}`;
  const heard = await target.send({ body, encoding, deviceId });
  if (heard.code !== code || !heard.isSigned) {
    throw new Breach(
      `the gateway says ${heard.code ?? heard.status}, not ${code}${heard.isSigned ? '' : ', unsigned'}`,
    );
  }
  if (typeof due === 'string') return;
  const again = await target.send({ body, encoding, deviceId });
  if (heard.inserted !== due.count || again.inserted !== 0 || again.duplicates !== due.count) {
    throw new Breach(`${heard.inserted} and then ${again.inserted} of ${due.count} counted`);
  }
}

let replayed = 0;

async function named(name: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw new Breach(`vector "${name}": ${describe(error)}`, { cause: error });
  }
}
