/**
 * Inflation: from a body to a batch, in bounded memory (promise 9).
 *
 * Owns the guess at what a body comes to. Promises that bodies which inflate as bodies do are worked on side by side, and
 * that those which come to much more are worked on few at a time. Never looks at a body whose signature is not right.
 */
import {
  BATCH_BYTES_MAX,
  type Batch,
  CodecError,
  decodeBatchInSteps,
  inflateBody,
  type Memory,
} from '../codec/index.ts';
import { SHARED_TURNS, type Turns } from '../store/index.ts';
import type { Flow } from './flow.ts';
import { inTurns } from './turns.ts';

/** Batches seldom inflate to more than this many times their body. */
const RATIO = 64;
const BYTES_MIN = 64 * 1024;

/**
 * The batch's table lies in `memory`.
 * @throws CodecError with a `body-…`, `batch-…` or `encoding-unsupported` code
 */
export async function inflateBatch(
  flow: Flow,
  contentEncoding: string,
  body: Uint8Array,
  memory: Memory,
  turns: Turns = SHARED_TURNS,
): Promise<Batch> {
  const expected = Math.min(Math.max(RATIO * body.length, BYTES_MIN), BATCH_BYTES_MAX);
  try {
    return await inflate(expected);
  } catch (error) {
    const more = error instanceof CodecError && error.code === 'body-too-large' && expected < BATCH_BYTES_MAX;
    if (!more) throw error;
    return inflate(BATCH_BYTES_MAX);
  }

  function inflate(bytesMax: number): Promise<Batch> {
    return flow.inTurn(bytesMax, async () => {
      const bytes = await inflateBody(contentEncoding, body, bytesMax);
      // failpoint: body-inflated
      const batch = await inTurns(decodeBatchInSteps(bytes, memory), turns);
      // failpoint: batch-decoded
      return batch;
    });
  }
}
