/**
 * Page: a Markdown page of which a program writes some parts.
 *
 * Owns the marks: a part stands between `<!-- name -->` and `<!-- end name -->`, each on a line of its own. Promises to
 * leave every other word alone, and to refuse a part that the page has no marks for. Never writes a sentence.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';

export type Part = readonly [name: string, text: string];

export async function replaceParts(url: URL, parts: readonly Part[]): Promise<void> {
  let page = await readFile(url, 'utf8');
  for (const [name, text] of parts) {
    const between = new RegExp(`(<!-- ${name} -->\n)[^]*?(<!-- end ${name} -->)`);
    if (!between.test(page)) throw new Error(`${basename(url.pathname)} has no marks for ${name}`);
    page = page.replace(between, (_, begin: string, end: string) => `${begin}${text}\n${end}`);
  }
  await writeFile(url, page);
}

/** Words in the first column, numbers in the others unless it is said otherwise. */
export function tableLines(
  columns: readonly string[],
  rows: readonly (readonly string[])[],
  align: (column: number) => '---' | '---:' = (column) => (column === 0 ? '---' : '---:'),
): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(columns), line(columns.map((_, at) => align(at))), ...rows.map(line)];
}
