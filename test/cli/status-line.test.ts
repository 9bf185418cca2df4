import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { createLogger } from '../../src/cli/index.ts';
import { createStatusLine } from '../../src/cli/status-line.ts';

const ERASED = '\r\x1b[2K';
const quiet = { logLevel: undefined, verbose: false };

test('a line of the log goes above the status line, which is never wider than the terminal', () => {
  const stream = Object.assign(new PassThrough({ encoding: 'utf8' }), { isTTY: true, columns: 20 });
  const line = createStatusLine(stream);
  const log = createLogger('test', quiet, line.log);
  line.show('recorded 5 of a great many rows');
  assert.equal(stream.read(), `${ERASED}recorded 5 of a gr…`);
  log.warn('the link is down');
  const written = stream.read() as string;
  assert(written.startsWith(ERASED) && written.endsWith('\nrecorded 5 of a gr…'), JSON.stringify(written));
  assert.match(written, /WARN.*the link is down/);
  line.show('a\u009bb');
  assert.equal(stream.read(), `${ERASED}a\\u009bb`);
  line.clear();
  assert.equal(stream.read(), ERASED);
  log.warn('up again');
  assert(!(stream.read() as string).includes(ERASED));
});

test('where there is no terminal only the log is written', () => {
  const stream = new PassThrough({ encoding: 'utf8' });
  const line = createStatusLine(stream);
  line.show('recorded 5 rows');
  line.clear();
  assert.equal(stream.read(), null);
  createLogger('test', quiet, line.log).info('still there');
  assert.equal(JSON.parse(stream.read() as string).msg, 'still there');
});
