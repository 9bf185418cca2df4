/**
 * Batches: hostile batches for the gateway, signed as only a device could.
 *
 * Owns what must come of each: what the codec refuses the gateway refuses with the same code, signed; what it takes
 * counts once, however often and however cut it comes; other content under the same ids is a collision. Promises a
 * stream of its own for each input.
 */
import {
  type Batch,
  CodecError,
  compressBody,
  decodeBatch,
  inflateBody,
  type TelemetryEvent,
} from '../../src/codec/index.ts';
import { batchOf, type Corpus, randomEvents } from './corpus.ts';
import { structureOf } from './decoding.ts';
import type { Dice } from './dice.ts';
import { Breach, describe, hexOf, type Kind, REFUSED, type Struck } from './kind.ts';
import { mutated } from './mutation.ts';
import { KEY_ID, REVOKED_KEY_ID, SECRET, type Target } from './target.ts';

export const SIGNED = 'changed batches signed again, to a gateway';
export const REPEATED = 'ids again: the same, cut anew, overlapping, with other events';
export const STRANGERS = 'batches of strangers, or signed wrongly';

const ENCODINGS = ['identity', 'br', 'gzip'] as const;
const SEQUENCE_MAX = Number.MAX_SAFE_INTEGER;

/** What the gateway may refuse that the codec takes: it bounds what a batch comes to. */
const STRICTER: ReadonlySet<string | undefined> = new Set(['batch-limit', 'sensor-limit', 'measure-limit']);

export function batchKinds({ batches }: Corpus, target: Target): Kind[] {
  // Some vectors are packed as nobody packs them.
  const own = batches.filter((batch) => batch.includes(STREAM_KEY));
  return [
    { name: SIGNED, share: 300, strike: inTurn((dice) => signedAgain(own, target, dice)) },
    { name: REPEATED, share: 40, strike: inTurn((dice) => repeated(target, dice)) },
    { name: STRANGERS, share: 60, strike: (dice) => stranger(target, dice) },
  ];

  function inTurn(strike: Kind['strike']): Kind['strike'] {
    return async (dice) => {
      const struck = await strike(dice);
      await target.turn();
      return struck;
    };
  }
}

async function signedAgain(batches: readonly Buffer[], target: Target, dice: Dice): Promise<Struck> {
  const stream = dice.bytes(16);
  const [one, other] = [dice.pick(batches), dice.pick(batches)].map((batch) => withStream(batch, stream)) as [
    Buffer,
    Buffer,
  ];
  const plain = dice.chance(0.5) ? structureOf([one], dice) : mutated(one, dice, [other]);
  const encoding = dice.pick(ENCODINGS);
  const packed = await compressBody(encoding, plain);
  const body = dice.chance(0.2) ? mutated(packed, dice, [packed]) : packed;
  const due = await verdictOf(encoding, body);
  // By chance another's: it would be weighed against what that one brought.
  if (typeof due !== 'string' && !stream.equals(due.stream)) return REFUSED;
  return await judged(body, async () => {
    const heard = await target.send({ body, encoding });
    if (!heard.isSigned) throw new Breach(`${heard.code} to a known key is not signed`);
    if (typeof due === 'string' || STRICTER.has(heard.code)) {
      if (heard.code !== due && !STRICTER.has(heard.code))
        throw new Breach(`${heard.code ?? heard.status}, not ${due}`);
      return REFUSED;
    }
    if (heard.status !== 200 || heard.inserted !== due.count) {
      throw new Breach(`${heard.code ?? heard.inserted}, not ${due.count} counted`);
    }
    target.count(due);
    return { isRefused: false, events: due.count };
  });
}

/** The code that is due, or what is to be counted. */
export async function verdictOf(encoding: string, body: Uint8Array): Promise<string | Batch> {
  try {
    return decodeBatch(await inflateBody(encoding, body));
  } catch (error) {
    if (error instanceof CodecError) return error.code;
    throw error;
  }
}

/** Two batches whose ranges overlap somehow: whatever the first has counted the second must not. */
async function repeated(target: Target, dice: Dice): Promise<Struck> {
  const stream = dice.bytes(16);
  const events = randomEvents(dice);
  const first = dice.pick([1, 2, 1_000, 2 ** 32 - 3, SEQUENCE_MAX - events.length + 1]);
  const from = dice.below(events.length);
  const to = dice.between(from + 1, events.length);
  const whole = batchOf(events, { stream, first });
  const part = batchOf(events.slice(from, to), { stream, first: first + from });
  const isWholeFirst = dice.chance(0.5);
  const before = isWholeFirst ? whole : part;
  return await judged(before, async () => {
    const one = decodeBatch(before);
    await expect(target, before, dice, one.count);
    target.count(one);
    let counted = one.count;
    if (dice.chance(0.3)) {
      await expectCollision(target, batchOf(events.map(otherThan), { stream, first }), dice);
    } else if (!isWholeFirst) {
      const rest = [...events.slice(0, from), ...events.slice(to)];
      await expect(target, whole, dice, rest.length, events.length);
      if (rest.length > 0) target.count(decodeBatch(batchOf(rest)));
      counted += rest.length;
    }
    // Whatever was counted of it by now, it is again.
    await expect(target, before, dice, 0, one.count);
    return { isRefused: false, events: counted };
  });
}

/** The same measures: only the time tells it apart, so that totals would not. */
function otherThan(event: TelemetryEvent): TelemetryEvent {
  return { ...event, ts: event.ts + 1 };
}

async function expect(
  target: Target,
  bytes: Uint8Array,
  dice: Dice,
  inserted: number,
  count = inserted,
): Promise<void> {
  const encoding = dice.pick(ENCODINGS);
  const heard = await target.send({ body: await compressBody(encoding, bytes), encoding });
  if (!heard.isSigned || heard.inserted !== inserted || heard.duplicates !== count - inserted) {
    throw new Breach(`${heard.code ?? `${heard.inserted} counted`}, not ${inserted} of ${count}`);
  }
}

async function expectCollision(target: Target, bytes: Uint8Array, dice: Dice): Promise<void> {
  const encoding = dice.pick(ENCODINGS);
  const heard = await target.send({ body: await compressBody(encoding, bytes), encoding });
  if (heard.code !== 'sequence-collision' || !heard.isSigned)
    throw new Breach(`${heard.code ?? heard.status}, not a collision`);
}

/** Whatever is wrong with who says it, nothing of it counts; only to a known key is the answer signed. */
async function stranger(target: Target, dice: Dice): Promise<Struck> {
  const body = batchOf(randomEvents(dice), { stream: dice.bytes(16) });
  const now = Date.now();
  const [said, due, isSigned] = dice.pick<readonly [Partial<Parameters<Target['send']>[0]>, string, boolean]>([
    [{ deviceId: 'nobody' }, 'key-unknown', false],
    [{ keyId: 'k9' }, 'key-unknown', false],
    [{ keyId: `k9,${KEY_ID.repeat(30)}` }, 'key-unknown', false],
    [{ secret: Buffer.alloc(32, 8) }, 'signature-mismatch', false],
    [{ keyId: REVOKED_KEY_ID }, 'key-revoked', true],
    [{ timestamp: dice.pick([0, -1, now - 301_000, now + 301_000, SEQUENCE_MAX, -SEQUENCE_MAX]) }, 'clock-skew', true],
    [{ timestamp: dice.pick([1.5, 1e300, 2 ** 53, Number.NaN]) }, 'headers-invalid', true],
    [{ deviceId: dice.pick(['a b', '.', 'x'.repeat(65), '../d1', '__proto__', 'd1,d2']) }, 'headers-invalid', false],
    [{ encoding: dice.pick(['zip', 'deflate', 'compress', 'x-gzip']) }, 'encoding-unsupported', true],
    [{ encoding: dice.pick(['BR', 'br, gzip', '', 'x'.repeat(40)]) }, 'encoding-unsupported', true],
  ]);
  return await judged(body, async () => {
    const heard = await target.send({ body, encoding: 'identity', secret: SECRET, ...said });
    // What is signed with another secret is answered with the gateway's: nobody else can check that.
    const isCheckable = due !== 'signature-mismatch';
    if (heard.code !== due) throw new Breach(`${heard.code ?? heard.status} to ${JSON.stringify(said)}, not ${due}`);
    if (isCheckable && heard.isSigned !== isSigned) throw new Breach(`${due} is ${heard.isSigned ? '' : 'not '}signed`);
    return REFUSED;
  });
}

async function judged<T>(body: Uint8Array, judge: () => Promise<T>): Promise<T> {
  try {
    return await judge();
  } catch (error) {
    throw new Breach(`${describe(error)}; input ${hexOf(body)}`, { cause: error });
  }
}

const STREAM_KEY = Buffer.from('a673747265616dc410', 'hex');

function withStream(batch: Buffer, stream: Buffer): Buffer {
  const copy = Buffer.from(batch);
  stream.copy(copy, copy.indexOf(STREAM_KEY) + STREAM_KEY.length);
  return copy;
}
