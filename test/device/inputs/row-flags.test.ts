import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertFlags } from '../../../src/device/inputs/row-flags.ts';
import type { InputFormat, RowOptions } from '../../../src/device/inputs/row-reader.ts';
import { OPTIONS } from './rows.ts';

const set = (...names: string[]) => new Set(names);

test('flags that cannot all be meant are refused, and those that mean nothing', () => {
  const names = new Map([
    ['x', 'ts'],
    ['firmware', 'fw'],
  ]);
  const cases: [format: InputFormat, options: Partial<RowOptions & { fromStart: boolean; goOn: boolean }>][] = [
    ['csv', { texts: set('a'), numbers: set('a') }],
    ['csv', { texts: set('b', 'a'), mixed: set('a', 'c') }],
    ['csv', { numbers: set('fw'), mixed: set('firmware') }],
    ['csv', { skip: set('a'), texts: set('a') }],
    ['csv', { skip: set('x') }],
    ['csv', { fromStart: true, goOn: true }],
    ['csv', { headingLine: 4, rowsLine: 4 }],
    ['ndjson', { delimiter: ';' }],
    ['ndjson', { headingLine: 2 }],
    ['ndjson', { rowsLine: 2 }],
    ['ndjson', { shortRows: true }],
    ['ndjson', { quotedLines: 'text' }],
    ['csv', { timeColumns: set('Date', 'Time') }],
    ['csv', { timeColumns: set('Date', 'Time'), names: new Map(), texts: set('Time') }],
    ['csv', { timeColumns: set('Date', 'Time'), names: new Map([['Time', 'clock']]) }],
  ];
  for (const [format, options] of cases) {
    const all = { ...OPTIONS, fromStart: false, goOn: false, names, ...options };
    assert.throws(() => assertFlags(all, format), { code: 'input-flags' }, JSON.stringify(options));
  }
  const fine = { shortRows: false, quotedLines: undefined, texts: set('a'), numbers: set('b'), skip: set('c') };
  for (const format of ['csv', 'tsv', 'toa5', 'ndjson'] as const)
    assertFlags({ ...OPTIONS, fromStart: false, goOn: true, names, ...fine }, format);
  assertFlags({ ...OPTIONS, fromStart: false, goOn: false, names, headingLine: 2, rowsLine: 4, delimiter: ';' }, 'csv');
});
