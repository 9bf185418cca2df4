/**
 * LocalTimes: what a clock on a wall somewhere shows, as epoch milliseconds.
 *
 * Owns time zones, by the data that Node carries. Promises that a time which a zone has twice (when clocks go back), or
 * never (when they go forward), is refused and not guessed.
 */

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

/** Zones change by quarters of an hour at times that are: within one, all local times are alike. */
const QUARTER_MS = HOUR_MS / 4;

const REMEMBERED = 4_096;

/** Why a local time is none: `never` or `twice`. */
export type LocalTime = number | 'never' | 'twice';

export interface TimeZone {
  /** @param wallMs the time as it is shown, as if it were UTC */
  toUtc(wallMs: number): LocalTime;
}

export const UTC: TimeZone = { toUtc: (wallMs) => wallMs };

const OFFSET_PATTERN = /^([+-])(\d\d)(?::?(\d\d))?$/;

/** `UTC`, an offset such as `-07:00`, or a name such as `Europe/Berlin`; undefined where there is no such zone. */
export function timeZoneOf(name: string): TimeZone | undefined {
  if (/^(UTC|GMT|Z)$/i.test(name)) return UTC;
  const [, sign, hours, minutes = '0'] = OFFSET_PATTERN.exec(name) ?? [];
  if (sign !== undefined) {
    if (Number(hours) > 18 || Number(minutes) > 59) return undefined;
    const offsetMs = (sign === '-' ? -1 : 1) * (Number(hours) * HOUR_MS + Number(minutes) * 60_000);
    return { toUtc: (wallMs) => wallMs - offsetMs };
  }
  try {
    return new NamedZone(name);
  } catch {
    return undefined;
  }
}

class NamedZone implements TimeZone {
  readonly #format: Intl.DateTimeFormat;
  /** By quarter of an hour. */
  readonly #offsets = new Map<number, number | 'never' | 'twice'>();

  constructor(timeZone: string) {
    this.#format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      era: 'short',
      ...{ year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' },
    });
  }

  toUtc(wallMs: number): LocalTime {
    const quarter = Math.floor(wallMs / QUARTER_MS);
    let offset = this.#offsets.get(quarter);
    if (offset === undefined) {
      if (this.#offsets.size >= REMEMBERED) this.#offsets.clear();
      offset = this.#offsetOf(quarter * QUARTER_MS);
      this.#offsets.set(quarter, offset);
    }
    return typeof offset === 'number' ? wallMs - offset : offset;
  }

  #offsetOf(wallMs: number): number | 'never' | 'twice' {
    const around = new Set([this.#offsetAt(wallMs - DAY_MS), this.#offsetAt(wallMs + DAY_MS)]);
    const fitting = [...around].filter((offset) => this.#offsetAt(wallMs - offset) === offset);
    if (fitting.length === 0) return 'never';
    return fitting.length > 1 ? 'twice' : fitting[0]!;
  }

  /** Local time less UTC at an instant. */
  #offsetAt(utcMs: number): number {
    const parts: Record<string, string> = {};
    for (const { type, value } of this.#format.formatToParts(utcMs)) parts[type] = value;
    const number = (type: string): number => Number(parts[type]);
    const year = parts['era']?.startsWith('B') ? 1 - number('year') : number('year');
    const wall = new Date(0);
    wall.setUTCFullYear(year, number('month') - 1, number('day'));
    wall.setUTCHours(number('hour'), number('minute'), number('second'));
    return wall.getTime() - Math.floor(utcMs / 1_000) * 1_000;
  }
}
