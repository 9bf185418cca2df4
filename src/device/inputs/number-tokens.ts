/**
 * NumberTokens: the numbers in a line of JSON as they are written, by the names of what they are.
 *
 * Owns what JSON.parse forgets: `1.10`, `-0`, `1e3` and the twentieth digit. Takes only what JSON.parse has taken, of
 * any depth, and reads no further than it is asked to.
 */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;

/** Names have dots where objects are nested; those in `fields` have none for it. Numbers in lists have no names. */
export class NumberTokens {
  readonly #line: string;
  readonly #found = new Map<string, string>();
  /** Of the objects around; undefined within a list. */
  readonly #prefixes: (string | undefined)[] = [];
  #prefix: string | undefined;
  #name = 'fields';
  #at = 0;

  constructor(line: string) {
    this.#line = line;
  }

  /** Undefined where no number is called so. */
  of(name: string): string | undefined {
    let found = this.#found.get(name);
    while (found === undefined && this.#at < this.#line.length) {
      this.#step();
      found = this.#found.get(name);
    }
    return found;
  }

  /** Up to the next number that has a name, or to the end. */
  #step(): void {
    const line = this.#line;
    while (this.#at < line.length) {
      const sign = line.charCodeAt(this.#at);
      if (sign === QUOTE) this.#passText();
      else if (sign === OPEN_BRACE || sign === OPEN_BRACKET) this.#enter(sign === OPEN_BRACE);
      else if (sign === MINUS || (sign >= ZERO && sign <= NINE)) {
        const start = this.#at;
        this.#passNumber();
        if (this.#prefix === undefined) continue;
        this.#found.set(this.#name, line.slice(start, this.#at));
        return;
      } else {
        if (sign === CLOSE_BRACE || sign === CLOSE_BRACKET) this.#prefix = this.#prefixes.pop();
        this.#at++;
      }
    }
  }

  #enter(isObject: boolean): void {
    const isNamed = this.#prefixes.length === 0 || this.#prefix !== undefined;
    this.#prefixes.push(this.#prefix);
    this.#prefix = isObject && isNamed ? (this.#name === 'fields' ? '' : this.#name) : undefined;
    this.#at++;
  }

  #passNumber(): void {
    const line = this.#line;
    let sign: number;
    do sign = line.charCodeAt(++this.#at);
    while (sign > 0x20 && sign !== COMMA && sign !== CLOSE_BRACE && sign !== CLOSE_BRACKET);
  }

  #passText(): void {
    const line = this.#line;
    const open = this.#at;
    let at = open + 1;
    let isPlain = true;
    for (let sign = line.charCodeAt(at); sign !== QUOTE; sign = line.charCodeAt(at)) {
      if (sign === BACKSLASH) {
        isPlain = false;
        at++;
      }
      at++;
    }
    const close = at++;
    while (line.charCodeAt(at) <= 0x20) at++;
    this.#at = at;
    if (line.charCodeAt(at) !== COLON || this.#prefix === undefined) return;
    const key = isPlain ? line.slice(open + 1, close) : (JSON.parse(line.slice(open, close + 1)) as string);
    this.#name = this.#prefix === '' ? key : `${this.#prefix}.${key}`;
  }
}
