/**
 * Description: how the columns of one batch are packed, for people (proto-spec/batch.md, "Columns").
 *
 * Owns the reading of packed columns as forms instead of values. Promises nothing about hostile bytes: what it is given
 * has passed `decodeBatch`, or is asked of `columnFaultOffset` because it has not. Never decodes a value itself.
 */
import { encode } from '@msgpack/msgpack';
import { columnsFrom } from './columns.ts';
import { CodecError } from './errors.ts';
import type { FieldKind } from './event.ts';
import type { PackedFractions } from './fractions.ts';
import { encodeIntegers } from './integers.ts';
import { decodeMsgpack } from './msgpack.ts';
import { type EventTable, valueCount } from './table.ts';

/** `differences` rounds of them, and then residuals that are all zero, in byte planes, or varints. */
export interface IntegerForm {
  readonly differences: number;
  readonly residuals: 'zero' | 'planes' | 'varints';
  /** Bytes of each residual in planes; 0 in the other forms. */
  readonly planes: number;
}

export type PackedForm =
  | { readonly form: 'integers'; readonly integers: IntegerForm }
  /** Integers at one power of ten; some of them nudged, some odd values beside them. */
  | {
      readonly form: 'decimals';
      readonly scale: number;
      /** Of the mantissas, or of their wholes. */
      readonly integers: IntegerForm;
      /** Decimals that stand as fractions beside the wholes; 0 for plain mantissas. */
      readonly fractionPlaces: number;
      readonly nudged: boolean;
      readonly odd: number;
    }
  | { readonly form: 'doubles' }
  | { readonly form: 'dictionary'; readonly texts: number; readonly integers: IntegerForm }
  | { readonly form: 'bits' };

export interface ColumnDescription {
  /** `order` and `time` are every event's own; the others are fields. */
  readonly kind: FieldKind | 'order' | 'time';
  /** Empty for `order` and `time`. */
  readonly name: string;
  readonly values: number;
  readonly packed: PackedForm;
  /** Bytes of the whole element in the batch, with its name, presence bitmap and dictionary. */
  readonly packedBytes: number;
}

/** The fields in `columns`, as they came: the decoder's table says what they hold, these how. */
type Field = readonly [name: string, kind: number, present: Uint8Array | null, ...parts: readonly unknown[]];

/** The columns of an uncompressed batch, of which `table` is the decoded content, in the order of the wire. */
export function describeColumns(bytes: Uint8Array, table: EventTable): ColumnDescription[] {
  const [, , order, times, fields] = columnsOf(bytes);
  const own = (kind: 'order' | 'time', packed: unknown): ColumnDescription[] => {
    if (!(packed instanceof Uint8Array)) return [];
    return [{ kind, name: '', values: table.count, packed: integersIn(packed), packedBytes: encode(packed).length }];
  };
  return [
    ...own('order', order),
    ...own('time', times),
    ...(fields as Field[]).map((field, index): ColumnDescription => {
      const column = table.columns[index]!;
      const [, , , ...parts] = field;
      const { kind, name } = column;
      return { kind, name, values: valueCount(column), packed: formOf(kind, parts), packedBytes: encode(field).length };
    }),
  ];
}

/**
 * Where the packed bytes begin that made `decodeBatch` throw `batch-column`; undefined where no single column is at
 * fault.
 */
export function columnFaultOffset(bytes: Uint8Array): number | undefined {
  const [count, sensors, order, times, fields] = columnsOf(bytes);
  if (typeof count !== 'number' || !Array.isArray(fields)) return undefined;
  const zeros = encodeIntegers(new Float64Array(count));
  const suspects: readonly (readonly [element: unknown, alone: unknown])[] = [
    [order, [count, sensors, order, zeros, []]],
    [times, [count, sensors, order === null ? null : zeros, times, []]],
    ...fields.map((field) => [field, [count, sensors, order === null ? null : zeros, zeros, [field]]] as const),
  ];
  const guilty = suspects.find(([, alone]) => isRefused(alone));
  const packed = guilty && [guilty[0]].flat(2).find((part): part is Uint8Array => part instanceof Uint8Array);
  // msgpack hands binaries out as views of what it was given.
  return packed?.buffer === bytes.buffer ? packed.byteOffset - bytes.byteOffset : undefined;
}

function isRefused(columns: unknown): boolean {
  try {
    columnsFrom(columns);
    return false;
  } catch (error) {
    // Alone, a column may also be malformed: an event then has no field.
    if (error instanceof CodecError) return error.code === 'batch-column';
    throw error;
  }
}

function columnsOf(bytes: Uint8Array): readonly unknown[] {
  const { columns } = decodeMsgpack(bytes) as { columns?: unknown };
  return Array.isArray(columns) ? columns : [];
}

function formOf(kind: FieldKind, parts: readonly unknown[]): PackedForm {
  if (kind === 'flag') return { form: 'bits' };
  if (kind === 'text') {
    const [dictionary, indices] = parts as [string[], Uint8Array];
    return { form: 'dictionary', texts: dictionary.length, integers: integerForm(indices) };
  }
  if (parts.length === 1) return { form: 'doubles' };
  const [scale, mantissas, nudges, , far] = parts as [
    number,
    Uint8Array | PackedFractions,
    Uint8Array | null,
    unknown,
    Uint8Array | null,
  ];
  const odd = far === null ? 0 : far.length / 8;
  const [places, wholes] = mantissas instanceof Uint8Array ? [0, mantissas] : mantissas;
  const form = { form: 'decimals', scale, integers: integerForm(wholes), fractionPlaces: places } as const;
  return { ...form, nudged: nudges !== null, odd };
}

function integersIn(packed: Uint8Array): PackedForm {
  return { form: 'integers', integers: integerForm(packed) };
}

/** Byte 0 of an integer column tells its form. */
function integerForm(packed: Uint8Array): IntegerForm {
  const differences = packed[0]! >> 4;
  const layout = packed[0]! & 15;
  if (layout === 0) return { differences, residuals: 'zero', planes: 0 };
  return layout === 15
    ? { differences, residuals: 'varints', planes: 0 }
    : { differences, residuals: 'planes', planes: layout };
}
