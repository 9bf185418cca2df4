/**
 * Queries: what read routes are asked, checked.
 *
 * Owns the forms of query strings. Promises that an unknown, doubled or ill-formed parameter is refused by name. Never
 * reads the store.
 */
import { z } from 'zod';
import { ID_PATTERN, INTEGER_MAX, isName } from '../codec/index.ts';
import { GRANULARITIES, type Granularity } from './bucket.ts';
import { GatewayError } from './errors.ts';

const DEVICES_MAX = 1_000;

/** Anything else `Date.parse` would guess at: it takes `banana 1` for a day in 2001. */
const ISO_PATTERN = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?$/;
const ZONELESS_TIME_PATTERN = /T[\d:.]+$/;

/** Epoch milliseconds, or an ISO 8601 date and time, in UTC where it names no zone. Gives epoch milliseconds. */
const time = z.string().transform((text, context) => {
  const ms = /^-?\d{1,16}$/.test(text) ? Number(text) : isoTime(text);
  if (Math.abs(ms) <= INTEGER_MAX) return ms;
  context.addIssue({ code: 'custom', message: 'expected epoch milliseconds or an ISO 8601 time' });
  return z.NEVER;
});
const id = z.string().regex(ID_PATTERN);
const name = z.string().refine(isName, 'expected a name');
const stream = z.string().regex(/^[0-9a-f]{32}$/);
const sequence = z
  .string()
  .regex(/^\d{1,16}$/)
  .transform(Number)
  .pipe(z.number().max(Number.MAX_SAFE_INTEGER));
const whole = z
  .string()
  .regex(/^\d{1,9}$/)
  .transform(Number);

const granularities = Object.keys(GRANULARITIES) as [Granularity, ...Granularity[]];

export const totalsQuery = z.strictObject({ measure: name.optional() });
export const devicesQuery = z.strictObject({
  after: id.optional(),
  limit: whole.pipe(z.number().min(1).max(DEVICES_MAX)).prefault('100'),
  measure: name.optional(),
});
export const deviceQuery = z
  .strictObject({
    measure: name.optional(),
    sensorsAfter: name.optional(),
    streamsAfter: stream.optional(),
    stream: stream.optional(),
    intervalsAfter: sequence.optional(),
  })
  .refine(({ stream, streamsAfter }) => stream === undefined || streamsAfter === undefined, {
    path: ['streamsAfter'],
    message: 'one stream is asked for',
  })
  .refine(({ stream, intervalsAfter }) => stream !== undefined || intervalsAfter === undefined, {
    path: ['intervalsAfter'],
    message: 'of which stream',
  });
export const bucketsQuery = z.strictObject({
  granularity: z.enum(granularities).prefault('minute'),
  from: time.optional(),
  to: time.optional(),
  sensor: name.optional(),
  measure: name.optional(),
});
export const eventsQuery = z.strictObject({ from: time.optional(), to: time.optional(), sensor: name.optional() });

/** NaN where it is none. */
function isoTime(text: string): number {
  if (!ISO_PATTERN.test(text)) return Number.NaN;
  const day = text.slice(0, 'YYYY-MM-DD'.length);
  // `Date.parse` takes 30 February for 2 March.
  const midnight = Date.parse(`${day}T00:00:00Z`);
  if (Number.isNaN(midnight) || !new Date(midnight).toISOString().startsWith(day)) return Number.NaN;
  return Date.parse(ZONELESS_TIME_PATTERN.test(text) ? `${text}Z` : text);
}

/** @throws GatewayError `query-invalid` */
export function readQuery<T>(form: z.ZodType<T>, query: unknown): T {
  const result = form.safeParse(query);
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path, message }) => `${path.join('.') || 'query'}: ${message}`);
  throw new GatewayError('query-invalid', problems.join('; '));
}
