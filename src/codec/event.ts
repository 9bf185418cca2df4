/**
 * Event: one observation as a program hands it over (proto-spec/batch.md, "Events").
 *
 * Owns what an event may hold. Promises that an event which passes here can be packed, sent and counted. Never changes
 * a value: what cannot be kept exactly is refused.
 */
import { CodecError, type CodecErrorCode } from './errors.ts';
import { FIELDS_MAX, INTEGER_MAX, NAME_BYTES_MAX, TEXT_BYTES_MAX } from './limits.ts';

/** A number is a *measure* and is summed; texts and flags are kept and given back. */
export type FieldValue = number | string | boolean;

export interface TelemetryEvent {
  /** Epoch milliseconds: a whole number, of either sign. */
  readonly ts: number;
  /** What observed it, within its device. */
  readonly sensor: string;
  /** At least one. `volume` is the headline measure. A field that is null or undefined is absent. */
  readonly fields: Readonly<Record<string, FieldValue | null | undefined>>;
}

/** The headline measure: the one that fleet totals are quoted in. */
export const HEADLINE = 'volume';

export type FieldKind = 'measure' | 'text' | 'flag';

const BYTE_ORDER_MARK = 0xfeff;

/** @throws CodecError `event-time` */
export function checkTime(ts: number): void {
  if (!Number.isInteger(ts) || Math.abs(ts) > INTEGER_MAX) {
    // Whoever is not held by types may give what has no text.
    throw refused('event-time', `ts must be whole epoch milliseconds, not ${typeof ts === 'number' ? ts : typeof ts}`);
  }
}

/**
 * Whoever is not held by types may give a text or a list, whose places would become names.
 * @throws CodecError `event-field`
 */
export function checkForm(event: TelemetryEvent): void {
  if (typeof event === 'object' && event !== null) {
    const { fields } = event;
    if (typeof fields === 'object' && fields !== null && !Array.isArray(fields)) return;
  }
  throw refused('event-field', 'an event is an object whose fields are an object, such as { volume: 1.25 }');
}

/** @throws CodecError `event-sensor` */
export function checkSensor(sensor: string): void {
  if (!isName(sensor)) throw refused('event-sensor', nameRule('a sensor'));
}

/** @throws CodecError `event-field` */
export function checkFieldName(name: string): void {
  // The one name that no plain object can carry safely.
  if (!isName(name) || name === '__proto__') throw refused('event-field', nameRule('a field name'));
}

/** @throws CodecError `event-field` */
export function checkFieldCount(count: number): void {
  if (count === 0) throw refused('event-field', 'an event needs at least one field');
  if (count > FIELDS_MAX) throw refused('event-field', `an event holds at most ${FIELDS_MAX} fields`);
}

/**
 * The kind of column that holds the value.
 * @throws CodecError `event-number`, `event-text`, `event-field`
 */
export function kindOf(name: string, value: unknown): FieldKind {
  if (typeof value === 'number') {
    if (Number.isFinite(value)) return 'measure';
    throw refused('event-number', `${name} is ${String(value)}; a measure is a finite number`);
  }
  if (typeof value === 'boolean') return 'flag';
  if (typeof value !== 'string') {
    throw refused('event-field', `${name} is of type ${typeof value}; a field is a number, a text or a flag`);
  }
  if (!isText(value, TEXT_BYTES_MAX)) {
    throw refused(
      'event-text',
      `${name} must be well-formed text of at most ${TEXT_BYTES_MAX} UTF-8 bytes, without a byte order mark`,
    );
  }
  return 'text';
}

/** A name: 1 to NAME_BYTES_MAX bytes of text without control characters. */
export function isName(name: unknown): name is string {
  if (typeof name !== 'string' || name.length === 0 || !isText(name, NAME_BYTES_MAX)) return false;
  for (let i = 0; i < name.length; i++) if (name.charCodeAt(i) < 0x20 || name.charCodeAt(i) === 0x7f) return false;
  return true;
}

/**
 * Well-formed Unicode (no lone surrogates, which UTF-8 cannot carry) of at most `bytesMax` UTF-8 bytes, and no byte
 * order mark in front, which decoders of UTF-8 are apt to drop.
 */
export function isText(text: string, bytesMax: number): boolean {
  if (text.length > bytesMax || !text.isWellFormed() || text.charCodeAt(0) === BYTE_ORDER_MARK) return false;
  return text.length * 3 <= bytesMax || Buffer.byteLength(text) <= bytesMax;
}

function nameRule(what: string): string {
  return `${what} must be 1 to ${NAME_BYTES_MAX} UTF-8 bytes of text without control characters or byte order mark`;
}

function refused(code: CodecErrorCode, message: string): CodecError {
  return new CodecError(code, message);
}
