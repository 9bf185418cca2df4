/**
 * InputFormat: what format an input is in, by its name or by its first bytes.
 *
 * Promises that an input which nobody can take rows from is refused once, with what to do, and not row by row.
 */
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { readExactly } from './file-digest.ts';
import { InputError, shown } from './refusal.ts';
import { INPUT_FORMATS, type InputFormat } from './row-reader.ts';
import { type Encoding, encodingAt, textIn } from './source-text.ts';

/** So much of a file is looked at. */
const HEAD_BYTES = 64 * 1024;

/** Behind the ending of a file that was rotated or put aside: `.1`, `-20260301`, `.2026-03-01`, `.old`. */
const ASIDE = '(?:[.-]\\d[\\d._T:-]*|\\.(?:bak|old|orig|part|tmp))*';
const NAMED = new RegExp(`\\.(${INPUT_FORMATS.join('|')}|jsonl)${ASIDE}$`, 'i');

const PACKED = 'is packed';
const MAGIC: readonly { readonly bytes: readonly number[]; readonly what: string; readonly unpack?: string }[] = [
  { bytes: [0x1f, 0x8b], what: PACKED, unpack: 'zcat' },
  { bytes: [0x28, 0xb5, 0x2f, 0xfd], what: PACKED, unpack: 'zstdcat' },
  { bytes: [0xfd, 0x37, 0x7a, 0x58, 0x5a], what: PACKED, unpack: 'xzcat' },
  { bytes: [0x42, 0x5a, 0x68, 0x39], what: PACKED, unpack: 'bzcat' },
  { bytes: [0x50, 0x4b, 0x03, 0x04], what: 'is a ZIP archive or a workbook: save the sheet as CSV, or unpack it' },
  { bytes: [0xd0, 0xcf, 0x11, 0xe0], what: 'is a workbook: save the sheet as CSV' },
  { bytes: [...Buffer.from('SQLite format 3')], what: 'is a database: export its rows as CSV or NDJSON' },
  { bytes: [...Buffer.from('PAR1')], what: 'is a Parquet file: export its rows as CSV or NDJSON' },
];

const NUL = 0x00;
const ESCAPE = 0x1b;

/** By its name; undefined where that does not say. */
export function formatOf(path: string): InputFormat | undefined {
  const ending = NAMED.exec(basename(path))?.[1]?.toLowerCase();
  return ending === 'jsonl' ? 'ndjson' : (ending as InputFormat | undefined);
}

/** @throws InputError `input-format` where these first bytes are those of an archive, a workbook or a database */
export function assertRows(head: Buffer, path: string): void {
  const magic = MAGIC.find(({ bytes }) => bytes.every((byte, i) => head[i] === byte));
  if (magic === undefined) return;
  const name = path === '-' ? 'FILE' : path;
  const how = magic.unpack === undefined ? '' : `: ${magic.unpack} ${name} | tidegate-device run --input - --format …`;
  throw new InputError('input-format', `${path === '-' ? 'the input' : path} ${magic.what}${how}`);
}

function isBinary(head: Buffer): boolean {
  let odd = 0;
  for (const byte of head) {
    if (byte < 0x20 && byte !== NUL && byte !== ESCAPE && (byte < 0x07 || byte > 0x0d)) odd++;
  }
  return head.length >= 64 && odd > head.length / 20;
}

/**
 * The format of a file.
 * @param named the one that was asked for
 * @throws InputError `input-format`, `input-encoding`
 */
export async function formatIn(
  path: string,
  named: InputFormat | undefined,
  encoding: Encoding | undefined,
): Promise<InputFormat> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const head = (await readExactly(file, 0, Math.min(HEAD_BYTES, size))) ?? Buffer.alloc(0);
    const { encoding: found } = encodingAt(head.subarray(0, 4), encoding);
    assertRows(head, path);
    if (named !== undefined) return named;
    if (!found.startsWith('utf-16') && isBinary(head.subarray(0, 4_096))) {
      throw new InputError(
        'input-format',
        `${path} holds binary data and no text; --format has rows be looked for in it`,
      );
    }
    return formatOf(path) ?? guess(textIn(head, found) ?? head.toString('latin1'), path);
  } finally {
    await file.close();
  }
}

/** By its lines, the first of which may be the end of one. */
function guess(text: string, path: string): InputFormat {
  const lines = text
    .split(/[\r\n\0]+/)
    .slice(0, -1)
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const [first, second = ''] = lines;
  if (first === undefined) return 'ndjson';
  if (/^"?TOA5"?,/.test(first)) return 'toa5';
  if (first.startsWith('[') || first === '{') {
    const how = first === '{' ? '-c .' : "-c '.[]'";
    throw new InputError(
      'input-format',
      `${path} is JSON over several lines, and each line is to be one object: jq ${how} ${path} | tidegate-device ` +
        'run --input -',
    );
  }
  if (lines.some((line) => line.startsWith('{'))) return 'ndjson';
  const count = (sign: string): number => Math.min(...[first, second].map((line) => line.split(sign).length - 1));
  const delimiter = [',', ';', '\t', '|'].reduce((best, sign) => (count(sign) > count(best) ? sign : best));
  const flags = { ',': 'csv', ';': "csv --delimiter ';'", '\t': 'tsv', '|': "csv --delimiter '|'" }[delimiter]!;
  const hint = count(delimiter) > 0 ? `it may be --format ${flags}` : `--format is one of ${INPUT_FORMATS.join(', ')}`;
  throw new InputError(
    'input-format',
    `the name of ${path} does not say what format it is in, and it is no NDJSON (its first line is ` +
      `${shown(first, 40)}): ${hint}`,
  );
}
