/**
 * NumberTokens: the numbers in a line of JSON as they are written, by the names of what they are.
 *
 * Owns what JSON.parse forgets: `1.10`, `-0`, `1e3` and the twentieth digit. Takes only what JSON.parse has taken, and any depth of it.
 */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const TOKEN = /-?\d[\d.eE+-]*/y;

/** Of numbers that are in no list. Names have dots where objects are within one another; those in `fields` have none for it. */
export function numberTokens(line: string): ReadonlyMap<string, string> {
  const tokens = new Map<string, string>();
  /** Of the objects around; undefined within a list. */
  const prefixes: (string | undefined)[] = [];
  let prefix: string | undefined;
  let name = 'fields';
  let at = 0;
  while (at < line.length) {
    const sign = line[at]!;
    if (sign === '"') {
      const open = at;
      at = endOfText(line, at);
      let behind = at;
      while (line.charCodeAt(behind) <= 0x20) behind++;
      if (line.charCodeAt(behind) !== COLON) continue;
      at = behind + 1;
      if (prefix === undefined) continue;
      const key = keyIn(line, open, behind);
      name = prefix === '' ? key : `${prefix}.${key}`;
    } else if (sign === '{') {
      prefixes.push(prefix);
      if (prefixes.length === 1 || prefix !== undefined) prefix = name === 'fields' ? '' : name;
      at++;
    } else if (sign === '[') {
      prefixes.push(prefix);
      prefix = undefined;
      at++;
    } else if (sign === '}' || sign === ']') {
      prefix = prefixes.pop();
      at++;
    } else {
      TOKEN.lastIndex = at;
      const [token] = TOKEN.exec(line) ?? [];
      if (token !== undefined && prefix !== undefined) tokens.set(name, token);
      at += token?.length ?? 1;
    }
  }
  return tokens;
}

/** Behind the text that begins here. */
function endOfText(line: string, open: number): number {
  let at = open + 1;
  while (line.charCodeAt(at) !== QUOTE) at += line.charCodeAt(at) === BACKSLASH ? 2 : 1;
  return at + 1;
}

function keyIn(line: string, from: number, to: number): string {
  return JSON.parse(line.slice(from, to)) as string;
}
