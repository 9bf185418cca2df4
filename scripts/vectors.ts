/**
 * Writes proto-spec/vectors/*.json: `npm run vectors`, or with `--check` compares them with what it would write.
 *
 * Owns the list of files. Promises the same bytes on every machine and Node: nothing in them comes from a compressor, a
 * clock or chance. What they hold is defined in `vectors/`, as far as it can be without the code that they check.
 */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { batchVectors } from './vectors/batches.ts';
import { bodyVectors } from './vectors/bodies.ts';
import { decimalVectors } from './vectors/decimals.ts';
import { exchangeVectors } from './vectors/exchanges.ts';
import { integerVectors } from './vectors/integers.ts';
import { invalidBatchVectors } from './vectors/invalid-batches.ts';
import { answerVectors, credentialVectors, requestVectors } from './vectors/signatures.ts';

const FOLDER = new URL('../proto-spec/vectors/', import.meta.url);

/** The content of each file. */
export function vectorFiles(): Record<string, string> {
  return Object.fromEntries(
    Object.entries({
      'answers.json': answerVectors(),
      'batches.json': batchVectors(),
      'bodies.json': bodyVectors(),
      'credentials.json': credentialVectors(),
      'decimals.json': decimalVectors(),
      'exchanges.json': exchangeVectors(),
      'integers.json': integerVectors(),
      'invalid-batches.json': invalidBatchVectors(),
      'requests.json': requestVectors(),
    }).map(([name, vectors]) => [name, formatted(vectors)]),
  );
}

export async function main(args: readonly string[]): Promise<void> {
  if (!args.includes('--check')) {
    const files = vectorFiles();
    await mkdir(FOLDER, { recursive: true });
    for (const [name, content] of Object.entries(files)) await writeFile(new URL(name, FOLDER), content);
    console.log(`${Object.keys(files).length} files written to proto-spec/vectors`);
    return;
  }
  const different = await differingFiles(FOLDER);
  if (different.length === 0) return console.log('proto-spec/vectors is as it should be');
  console.error(`error: not as they should be: ${different.join(', ')} (vectors-changed). See: npm run vectors`);
  process.exitCode = 1;
}

/** The names of files in the folder that are missing, too many, or not what the script would write. */
export async function differingFiles(folder: URL): Promise<string[]> {
  const files = vectorFiles();
  const found = (await readdir(folder)).filter((name) => name.endsWith('.json'));
  const different: string[] = [];
  for (const name of new Set([...found, ...Object.keys(files)])) {
    const there = found.includes(name) ? await readFile(new URL(name, folder), 'utf8') : undefined;
    if (there !== files[name]) different.push(name);
  }
  return different;
}

/** One line for each vector: short enough to read, and a change shows as a line. */
function formatted(vectors: Readonly<Record<string, unknown>>): string {
  const members = Object.entries(vectors).map(([name, value]) => {
    const list = Array.isArray(value) && value.map((item) => `\n    ${JSON.stringify(item)}`).join(',');
    return `  ${JSON.stringify(name)}: ${list === false ? JSON.stringify(value) : `[${list}\n  ]`}`;
  });
  return `{\n${members.join(',\n')}\n}\n`;
}
