/**
 * Columns: what each name in an input stands for.
 *
 * Owns `--map`, `--time-columns`, `--skip`, `--text`, `--number`, `--mixed` and `--missing`, and what is learnt on the
 * way: a column that has held numbers holds numbers. Promises that nothing is learnt from a row that is refused.
 */
import { type FieldValue, HEADLINE } from '../../codec/index.ts';
import { RowError, shown } from './refusal.ts';
import { type DecimalMark, exactNumber, isNearlyNumber, numberText } from './row-numbers.ts';

export interface ColumnOptions {
  /** Name in the input → our name. `ts` and `sensor` are among ours. */
  readonly names: ReadonlyMap<string, string>;
  /** Names in the input to leave out. */
  readonly skip: ReadonlySet<string>;
  /** Names in the input of what makes up the time together, in their order: the day, and the time of day. */
  readonly timeColumns?: ReadonlySet<string> | undefined;
  /** Columns whose values are texts, whatever they look like. */
  readonly texts?: ReadonlySet<string> | undefined;
  /** Columns whose values are numbers, also within quotes. */
  readonly numbers?: ReadonlySet<string> | undefined;
  /** Columns that hold both. */
  readonly mixed?: ReadonlySet<string> | undefined;
  /** Texts that stand for no value. */
  readonly missing?: ReadonlySet<string> | undefined;
  /** @default '.' */
  readonly decimal?: DecimalMark | undefined;
}

export type Kind = 'number' | 'text' | 'flag';

/** By our name. */
export type LearntKinds = Readonly<Record<string, Kind>>;

export interface Column {
  /** In the input. */
  readonly column: string;
  /** Ours. */
  readonly name: string;
  readonly role: 'skip' | 'ts' | 'sensor' | 'field';
  /** What a flag says of it. */
  readonly declared: 'number' | 'text' | 'mixed' | undefined;
  /** What it has held. */
  kind: Kind | undefined;
}

/** What is learnt goes with each mark. Behind so many names, each that no flag speaks of holds numbers. */
const LEARNT_MAX = 1_024;

const SHOWN_MAX = 40;

const NOTHING: ReadonlySet<string> = new Set();
export class Columns {
  readonly options: ColumnOptions;
  readonly decimal: DecimalMark;
  readonly #missing: ReadonlySet<string>;
  readonly #missingNumbers: ReadonlySet<number>;
  readonly #byColumn = new Map<string, Column>();
  readonly #learnt: Map<string, Kind>;
  readonly #quotedNumbers = new Set<string>();
  /** To learn once the row is taken. */
  #news: [Column, Kind][] = [];

  constructor(options: ColumnOptions, learnt: LearntKinds = {}) {
    this.options = options;
    this.decimal = options.decimal ?? '.';
    this.#missing = options.missing ?? NOTHING;
    this.#missingNumbers = new Set([...this.#missing].map((text) => Number(numberText(text, this.decimal) ?? NaN)));
    this.#learnt = new Map(Object.entries(learnt));
  }

  /** Columns that are of texts because their first number was in quotes; some of them. */
  get quotedNumbers(): string[] {
    return [...this.#quotedNumbers];
  }

  get learnt(): LearntKinds {
    return Object.fromEntries(this.#learnt);
  }

  /** Names that flags mention. */
  get mentioned(): string[] {
    const { names, timeColumns = NOTHING, texts = NOTHING, numbers = NOTHING, mixed = NOTHING, skip } = this.options;
    return [...new Set([...names.keys(), ...timeColumns, ...texts, ...numbers, ...mixed, ...skip])];
  }

  /**
   * What `--map` and `--time-columns` name and these are not. Of several names that are called the same here, as files
   * with another heading further down have them, one is enough.
   */
  unmapped(columns: readonly string[]): string[] {
    const { names, timeColumns = NOTHING } = this.options;
    const known = this.#known(columns);
    const found = new Set([...names].filter(([theirs]) => known.has(theirs)).map(([, ours]) => ours));
    const missing = [...names].filter(([, ours]) => !found.has(ours)).map(([theirs]) => theirs);
    return [...missing, ...[...timeColumns].filter((name) => !known.has(name))];
  }

  /** What other flags name and these are not. */
  undeclared(columns: readonly string[]): string[] {
    const { names, timeColumns = NOTHING } = this.options;
    const known = this.#known(columns);
    return this.mentioned.filter((name) => !names.has(name) && !timeColumns.has(name) && !known.has(name));
  }

  /** What flags name and these are. */
  found(columns: readonly string[]): string[] {
    const known = this.#known(columns);
    return this.mentioned.filter((name) => known.has(name));
  }

  #known(columns: readonly string[]): ReadonlySet<string> {
    return new Set(columns.flatMap((column) => [column, this.nameOf(column)]));
  }

  isTime(column: string): boolean {
    const { timeColumns = NOTHING, skip } = this.options;
    return (timeColumns.has(column) || this.nameOf(column) === 'ts') && !skip.has(column);
  }

  nameOf(column: string): string {
    return this.options.names.get(column) ?? column;
  }

  of(column: string): Column {
    const known = this.#byColumn.get(column);
    if (known) return known;
    const found = this.#describe(column);
    if (this.#byColumn.size < LEARNT_MAX) this.#byColumn.set(column, found);
    return found;
  }

  #describe(column: string): Column {
    const { timeColumns = NOTHING, skip, texts = NOTHING, numbers = NOTHING, mixed = NOTHING } = this.options;
    const name = this.nameOf(column);
    const isIn = (set: ReadonlySet<string>): boolean => set.has(column) || set.has(name);
    const isTime = timeColumns.has(column) || name === 'ts';
    const role = skip.has(column) ? 'skip' : isTime ? 'ts' : name === 'sensor' ? name : 'field';
    const declared = isIn(texts) ? 'text' : isIn(mixed) ? 'mixed' : isIn(numbers) ? 'number' : undefined;
    // The measure that totals are quoted in is a number from its first row on.
    const isNumber = declared === 'number' || (name === HEADLINE && declared === undefined);
    const kind = isNumber ? 'number' : (this.#learnt.get(name) ?? (declared ? undefined : this.#unlearnt));
    return { column, name, role, declared, kind };
  }

  /** Forgets what the row before would have taught. */
  begin(): void {
    if (this.#news.length > 0) this.#news = [];
  }

  /** The row that was read last is taken. */
  learn(): void {
    for (const [column, kind] of this.#news) {
      const isLearnt = this.#learnt.has(column.name) || this.#learnt.size < LEARNT_MAX;
      column.kind = isLearnt ? kind : 'number';
      if (!isLearnt) continue;
      this.#learnt.set(column.name, kind);
      if (this.#learnt.size === LEARNT_MAX) this.#endLearning();
    }
    this.#news = [];
  }

  /** Of names that no flag speaks of and that cannot be learnt any more. */
  get #unlearnt(): Kind | undefined {
    return this.#learnt.size < LEARNT_MAX ? undefined : 'number';
  }

  #endLearning(): void {
    for (const column of this.#byColumn.values()) {
      if (column.declared === undefined) column.kind ??= this.#unlearnt;
    }
  }

  #newText(column: Column, isNumber: boolean): void {
    this.#news.push([column, 'text']);
    if (isNumber && this.#quotedNumbers.size < SHOWN_MAX) this.#quotedNumbers.add(column.column);
  }

  isMissing(text: string): boolean {
    return this.#missing.size > 0 && this.#missing.has(text);
  }

  /** In any notation: `-9999` and `-9999.0` are one. */
  #isMissingNumber(number: number): boolean {
    return this.#missingNumbers.size > 0 && this.#missingNumbers.has(number);
  }

  /**
   * A cell as a value; undefined where it stands for none.
   * @param isQuoted asked only where it matters, about the cell at this place; undefined where the row has no quotes
   * @throws RowError `row-kind`, CodecError `event-number`
   */
  valueOfCell(
    column: Column,
    cell: string,
    isQuoted: ((at: number) => boolean) | undefined,
    at: number,
  ): FieldValue | undefined {
    const text = cell.trim();
    if (text === '' || this.isMissing(text)) return undefined;
    if (column.declared === 'text') return cell;
    const number = numberText(text, this.decimal);
    if (number !== undefined && this.#isMissingNumber(Number(number))) return undefined;
    if (column.declared === 'mixed') return number === undefined || isQuoted?.(at) ? cell : exactNumber(number);
    if (column.kind === 'number') {
      if (number === undefined) throw noNumber(column, text);
      if (!isNumberByName(column) && isQuoted?.(at)) throw quotedNumber(column, text);
      return exactNumber(number);
    }
    if (number === undefined) {
      if (column.kind === undefined) {
        if (isNearlyNumber(text)) throw nearlyNumber(column, text);
        this.#news.push([column, 'text']);
      }
      return cell;
    }
    if (isQuoted?.(at)) {
      if (column.kind === undefined) {
        this.#newText(column, true);
      }
      return cell;
    }
    if (column.kind !== undefined) throw otherKind(column, text);
    this.#news.push([column, 'number']);
    return exactNumber(number);
  }

  /**
   * A JSON value, which says itself what it is. What no field can hold is refused where the event is checked.
   * @param tokenOf a number of the row as it is written, by its name
   * @throws RowError `row-kind`, CodecError `event-number`
   */
  valueOfJson(column: Column, value: unknown, tokenOf: (name: string) => string): FieldValue | undefined {
    const { declared, kind } = column;
    if (typeof value === 'string') {
      if (this.isMissing(value)) return undefined;
      if (declared === 'text' || declared === 'mixed') return value;
      if (kind === 'number') {
        const number = declared === 'number' ? numberText(value.trim(), this.decimal) : undefined;
        if (number !== undefined) return exactNumber(number);
        throw noNumber(column, value);
      }
      if (kind === undefined) {
        const text = value.trim();
        const isNumber = numberText(text, this.decimal) !== undefined;
        if (!isNumber && isNearlyNumber(text)) throw nearlyNumber(column, value);
        this.#newText(column, isNumber);
      }
    } else if (typeof value === 'number') {
      const token = declared === 'text' ? tokenOf(column.column) : undefined;
      if (token !== undefined) return this.isMissing(token) ? undefined : token;
      if (this.#isMissingNumber(value)) return undefined;
      if (declared === undefined && kind !== 'number') {
        if (kind !== undefined) throw otherKind(column, String(value));
        this.#news.push([column, 'number']);
      }
    } else if (typeof value === 'boolean' && declared !== 'mixed') {
      if (declared === 'text') return String(value);
      if (kind === 'number') throw noNumber(column, String(value));
      if (kind === undefined) this.#news.push([column, 'flag']);
    }
    return value as FieldValue;
  }
}

function noNumber({ column }: Column, text: string): RowError {
  return new RowError(
    'row-kind',
    `${shown(text, 40)} where ${shown(column)} holds numbers: --missing if it stands for no value, --text if the ` +
      'column holds texts',
  );
}

function nearlyNumber({ column }: Column, text: string): RowError {
  return new RowError(
    'row-kind',
    `${shown(text, 40)} in ${shown(column)} may be a number or none: --text, --number, --decimal or --missing ` +
      'says what it is',
  );
}

function otherKind({ column, kind }: Column, text: string): RowError {
  return new RowError(
    'row-kind',
    `${shown(column)} has held ${kind}s and holds ${shown(text, 40)} here: --text, --number or --mixed says what it is`,
  );
}

function quotedNumber({ column }: Column, text: string): RowError {
  return new RowError(
    'row-kind',
    `${shown(text, 40)} is in quotes, which makes it a text, and ${shown(column)} holds numbers: --number, --text ` +
      'or --mixed says what it is',
  );
}

/** Who has said that a column holds numbers, or has given it the name of a measure, means those in quotes, too. */
function isNumberByName({ declared, name }: Column): boolean {
  return declared === 'number' || name === HEADLINE;
}
