/**
 * EventDraft: an event whose fields come one after another.
 *
 * Promises that two values for one name are refused, and that a row of any length stops at the number of fields that an
 * event can hold.
 */
import { CodecError, checkFieldCount, type FieldValue, type TelemetryEvent } from '../../codec/index.ts';
import type { Column } from './columns.ts';
import { shown } from './refusal.ts';
import type { TimeReader } from './row-times.ts';

export class EventDraft {
  readonly #fields: Record<string, FieldValue> = {};
  #fieldCount = 0;
  #ts: number | undefined;
  #sensor: string | undefined;

  setTime(value: unknown, read: TimeReader): void {
    if (this.#ts !== undefined) throw twice('ts');
    this.#ts = read(value);
  }

  setSensor(value: unknown): void {
    if (this.#sensor !== undefined) throw twice('sensor');
    const name = typeof value === 'object' ? '' : String(value);
    if (name.trim() === '') throw new CodecError('event-sensor', 'a sensor is a name');
    this.#sensor = name;
  }

  setField({ name }: Column, value: FieldValue): void {
    // As a plain property it would be something else than a field.
    if (name === '__proto__') throw new CodecError('event-field', 'a field cannot be called __proto__');
    if (Object.hasOwn(this.#fields, name)) throw twice(name);
    // Here, and not once the row is read: a line of 4 MiB may hold half a million of them.
    checkFieldCount(++this.#fieldCount);
    this.#fields[name] = value;
  }

  /** No field has come so far. */
  get isEmpty(): boolean {
    return this.#fieldCount === 0;
  }

  /** Tells whether a number was taken as it is: one that was left out, or is a time, may have any digits. */
  taken(): (number: number) => boolean {
    const values = new Set<FieldValue>(Object.values(this.#fields));
    return (number) => values.has(number);
  }

  /** @param sensor where the row names none */
  event(sensor: string): TelemetryEvent {
    if (this.#ts === undefined) {
      throw new CodecError(
        'event-time',
        'no time: the row has no ts, and --map or --time-columns names no other column for it',
      );
    }
    return { ts: this.#ts, sensor: this.#sensor ?? sensor, fields: this.#fields };
  }
}

function twice(name: string): CodecError {
  return new CodecError(
    'event-field',
    `two values for ${shown(name)}; leave one out with --skip, or --map it to another name`,
  );
}
