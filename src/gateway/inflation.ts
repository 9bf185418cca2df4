/**
 * Inflation: from a body to a batch, in bounded memory (promise 9).
 *
 * Owns the guess at what a body comes to, inflated and unpacked. Promises that bodies which come to what bodies do are
 * worked on side by side, and that those which come to much more are worked on few at a time. Never looks at a body
 * whose signature is not right.
 */
import {
  BATCH_BYTES_MAX,
  type Batch,
  CodecError,
  inflateBody,
  type Memory,
  openBatchInSteps,
  type PackedBatch,
} from '../codec/index.ts';
import { inTurns, type Turns } from '../store/index.ts';
import type { Flow } from './flow.ts';
import { ARENA_BYTES } from './limits.ts';

/** Batches seldom come to more than this many times their body, unpacked. */
const RATIO = 64;
/** What an arena holds: a usual batch comes to less. */
const BYTES_MIN = ARENA_BYTES;

/**
 * What it takes counts as taken until `work` is done with the batch, whose table lies in `memory`.
 * @throws CodecError with a `body-…`, `batch-…` or `encoding-unsupported` code
 */
export async function withBatch<T>(
  flow: Pick<Flow, 'inTurn'>,
  { contentEncoding, body }: { readonly contentEncoding: string; readonly body: Uint8Array },
  memory: Memory,
  turns: Turns,
  work: (batch: Batch) => Promise<T>,
): Promise<T> {
  let bytesMax = Math.min(Math.max(RATIO * body.length, BYTES_MIN), BATCH_BYTES_MAX);
  for (;;) {
    // What comes to more is let go of, and done again when there is room for it: few bodies are like that.
    const tried = await flow.inTurn(bytesMax, async () => {
      const packed = await open(bytesMax);
      if (typeof packed === 'number') return { bytes: packed };
      // failpoint: body-inflated
      const batch = await inTurns(packed.decodeInSteps(memory), turns);
      // failpoint: batch-decoded
      return { result: await work(batch) };
    });
    if ('result' in tried) return tried.result;
    bytesMax = tried.bytes;
  }

  /** What is packed in the body, or how many bytes it would take where that is more than `bytesMax`. */
  async function open(bytesMax: number): Promise<PackedBatch | number> {
    let bytes: Uint8Array;
    try {
      bytes = await inflateBody(contentEncoding, body, Math.min(bytesMax, BATCH_BYTES_MAX));
    } catch (error) {
      const more = error instanceof CodecError && error.code === 'body-too-large' && bytesMax < BATCH_BYTES_MAX;
      if (more) return BATCH_BYTES_MAX;
      throw error;
    }
    const packed = await inTurns(openBatchInSteps(bytes), turns);
    const needed = bytes.length + packed.tableBytes;
    return needed > bytesMax ? needed : packed;
  }
}
