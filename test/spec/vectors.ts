/** The vectors of proto-spec, with the shapes that vectors/README.md gives them. */
import { readFileSync } from 'node:fs';
import type { CodecErrorCode, TelemetryEvent } from '../../src/codec/index.ts';

export interface Named {
  readonly name: string;
}

export interface BatchVector extends Named {
  readonly stream: string;
  readonly first: number;
  readonly count: number;
  readonly sent: number;
  readonly queue: readonly [number, number, number, number];
  readonly gaps: readonly [number, number, 'quota' | 'damage', Record<string, string> | null][];
  readonly events: readonly EventVector[];
  readonly sums: Record<string, string>;
  readonly hex: string;
  readonly own: boolean;
}

export interface EventVector {
  readonly ts: number;
  readonly sensor: string;
  readonly fields: readonly FieldVector[];
}

export type FieldVector = Named &
  ({ readonly measure: string; readonly bits: string } | { readonly text: string } | { readonly flag: boolean });

export interface InvalidVector extends Named {
  readonly code: CodecErrorCode;
  readonly hex: string;
}

export interface ExchangeVector extends Named {
  /** Of the problem; null for an acknowledgement, and where somebody else than a gateway answers. */
  readonly code: string | null;
  /** What is not as always. */
  readonly given?: {
    readonly limits?: Readonly<Record<string, number>>;
    readonly disk?: 'full' | 'broken';
    readonly busy?: true;
    readonly slow?: true;
    readonly proxy?: true;
  };
  /** The names of exchanges that went before. */
  readonly before?: readonly string[];
  readonly request: { readonly head: string; readonly body: string };
  readonly answer: { readonly status: number; readonly headers: Record<string, string>; readonly body: string };
  readonly signed: boolean;
  readonly device?: {
    readonly keyId: string;
    readonly secret: string;
    /** What the request holds, or held before it was damaged, for that key. */
    readonly signature: string;
    readonly does: string;
  };
}

export interface Vectors {
  'batches.json': { readonly batches: readonly BatchVector[] };
  'invalid-batches.json': { readonly batches: readonly (InvalidVector & { readonly offset?: number })[] };
  'bodies.json': {
    readonly batch: string;
    readonly valid: readonly (Named & { readonly encoding: string; readonly hex: string })[];
    readonly invalid: readonly (InvalidVector & { readonly encoding: string; readonly bytesMax?: number })[];
  };
  'exchanges.json': {
    readonly clock: number;
    readonly deviceId: string;
    readonly adminToken: string;
    readonly keys: Record<string, { readonly secret: string; readonly revoked: boolean }>;
    readonly exchanges: readonly ExchangeVector[];
  };
  'integers.json': {
    readonly valid: readonly (Named & {
      readonly values: number[];
      readonly hex: string;
      readonly smallest: boolean;
    })[];
    readonly invalid: readonly (InvalidVector & { readonly count: number })[];
  };
  'decimals.json': {
    readonly doubles: readonly { readonly bits: string; readonly text: string }[];
    readonly sums: readonly (Named & { readonly bits: readonly string[]; readonly sum: string })[];
    readonly texts: { readonly valid: readonly string[]; readonly invalid: readonly string[] };
  };
  'requests.json': {
    readonly requests: readonly (Named & {
      readonly secret: string;
      readonly deviceId: string;
      readonly keyId: string;
      readonly timestamp: number;
      readonly contentEncoding: string;
      readonly body: string;
      readonly signed: string;
      readonly signature: string;
      readonly headSigned: string;
      readonly headSignature: string;
    })[];
    readonly keys: Record<string, string>;
    readonly body: string;
    readonly checked: readonly (Named & {
      readonly headers: Record<string, string>;
      readonly matched: string | null;
      readonly revoked?: readonly string[];
    })[];
    readonly heads: readonly (Named & {
      readonly headers: Record<string, string>;
      readonly matched: string | null;
    })[];
    readonly malformed: readonly (Named & { readonly headers: Record<string, string> })[];
  };
  'answers.json': {
    readonly secret: string;
    readonly request: string;
    readonly answers: readonly (Named & {
      readonly status: number;
      readonly timestamp: number;
      readonly body: string;
      readonly signature: string;
      readonly authentic: boolean;
    })[];
  };
  'credentials.json': {
    readonly valid: readonly { readonly text: string; readonly keyId: string; readonly secret: string }[];
    readonly invalid: readonly string[];
  };
}

export function readVectors<File extends keyof Vectors>(file: File): Vectors[File] {
  return JSON.parse(readFileSync(new URL(`../../proto-spec/vectors/${file}`, import.meta.url), 'utf8'));
}

export function bytesOf(hex: string): Buffer {
  return Buffer.from(hex, 'hex');
}

export function doubleOf(bits: string): number {
  return bytesOf(bits).readDoubleBE();
}

export function eventOf({ ts, sensor, fields }: EventVector): TelemetryEvent {
  const entries = fields.map((field) => {
    if ('bits' in field) return [field.name, doubleOf(field.bits)];
    return [field.name, 'text' in field ? field.text : field.flag];
  });
  return { ts, sensor, fields: Object.fromEntries(entries) };
}
