import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Command } from 'commander';
import {
  addSettings,
  createProgram,
  duration,
  integer,
  programSettings,
  readSettings,
  type SettingValues,
  settings,
  text,
  toggle,
} from '../../src/cli/index.ts';

const table = settings({
  lingerMs: ['--linger <duration>', 'longest wait', duration({ max: '1m' }).prefault('250ms')],
  batchEventsMax: ['--batch-events-max <count>', 'events in a batch', integer({ min: 1 }).prefault(1000)],
  id: ['--id <id>', 'who this is', text()],
  label: ['--label <text>', 'a name', text().optional()],
  drain: ['--no-drain', 'end before everything is acknowledged', toggle().prefault(true)],
});
type Values = SettingValues<typeof table>;

interface Sources {
  readonly flags?: readonly string[];
  readonly environment?: NodeJS.ProcessEnv;
  readonly file?: unknown;
}

function programWith(action: (command: Command) => void): Command {
  const program = createProgram('tidegate-test', 'A program.');
  const run = program.command('run').action((_options, command) => action(command));
  addSettings(run, table);
  const other = program.command('other').action((_options, command) => action(command));
  addSettings(other, settings({ port: ['--port <port>', 'a port', integer()] }));
  return program;
}

async function configFile(t: TestContext, content: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-cli-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'config.json');
  await writeFile(path, content);
  return path;
}

async function read(t: TestContext, { flags = [], environment = {}, file }: Sources): Promise<Values> {
  let values: Values | undefined;
  const program = programWith((command) => {
    values = readSettings(command, table, environment);
  });
  const config = file === undefined ? [] : ['--config', await configFile(t, JSON.stringify(file))];
  await program.parseAsync(['run', ...config, ...flags], { from: 'user' });
  assert(values);
  return values;
}

test('a flag goes before the environment, the environment before the file, the file before the default', async (t) => {
  const flags = ['--id', 'a', '--linger', '1s'];
  const environment = { TIDEGATE_LINGER: '2s', TIDEGATE_BATCH_EVENTS_MAX: '20' };
  const file = { linger: '3s', batchEventsMax: 30, label: 'third' };
  assert.deepEqual(await read(t, { flags, environment, file }), {
    lingerMs: 1_000,
    batchEventsMax: 20,
    id: 'a',
    label: 'third',
    drain: true,
  });
  assert.deepEqual(await read(t, { flags: ['--id', 'a'] }), {
    lingerMs: 250,
    batchEventsMax: 1000,
    id: 'a',
    label: undefined,
    drain: true,
  });
});

test('a switch can be turned off by flag, environment and file', async (t) => {
  const flags = ['--id', 'a'];
  assert.equal((await read(t, { flags: [...flags, '--no-drain'] })).drain, false);
  assert.equal((await read(t, { flags, environment: { TIDEGATE_DRAIN: '0' } })).drain, false);
  assert.equal((await read(t, { flags, file: { drain: false } })).drain, false);
  assert.equal((await read(t, { flags: [...flags, '--no-drain'], file: { drain: true } })).drain, false);
});

test('an empty variable is no value', async (t) => {
  const environment = { TIDEGATE_LINGER: '', TIDEGATE_ID: 'b', TIDEGATE_CONFIG: '' };
  assert.deepEqual(await read(t, { environment }).then(({ id, lingerMs }) => [id, lingerMs]), ['b', 250]);
});

test('the environment can name the config file', async (t) => {
  const path = await configFile(t, '{"id":"from the file"}');
  assert.equal((await read(t, { environment: { TIDEGATE_CONFIG: path } })).id, 'from the file');
});

test('the flag names the config file before the environment does', async (t) => {
  const environment = { TIDEGATE_CONFIG: await configFile(t, '{"id":"of the environment"}') };
  const flags = ['--config', await configFile(t, '{"id":"of the flag"}')];
  assert.equal((await read(t, { flags, environment })).id, 'of the flag');
});

test('a value that is needed says all the ways to give it', async (t) => {
  await assert.rejects(read(t, {}), {
    code: 'missing-value',
    message: /--id <id>, TIDEGATE_ID, or "id" in the config/,
  });
});

test('a bad value names the option and where it came from', async (t) => {
  const flags = ['--id', 'a'];
  const bad = (sources: Sources) => read(t, { flags, ...sources });
  await assert.rejects(bad({ flags: [...flags, '--linger', '2h'] }), {
    code: 'bad-value',
    message: /^--linger: expected a duration .*at most 1m, got "2h" from the flag --linger$/,
  });
  await assert.rejects(bad({ environment: { TIDEGATE_LINGER: '5' } }), {
    code: 'bad-value',
    message: /got "5" from TIDEGATE_LINGER$/,
  });
  await assert.rejects(bad({ file: { batchEventsMax: 0 } }), {
    code: 'bad-value',
    message: /--batch-events-max: .*got 0 from "batchEventsMax" in .*config\.json$/,
  });
  await assert.rejects(
    bad({ file: { label: { long: 'x'.repeat(200) } } }),
    (error: Error) => error.message.length < 250,
  );
});

test('a value of any shape in a file is one or a bad one', async (t) => {
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
  for (const shape of [
    '{"toString":5}',
    '{"valueOf":{"a":1}}',
    '[{"toJSON":1}]',
    'null',
    'true',
    '-0',
    '1e400',
    deep,
  ]) {
    for (const key of ['linger', 'batchEventsMax', 'label', 'drain']) {
      if (key === 'drain' && shape === 'true') continue;
      const file = await configFile(t, `{"id":"a","${key}":${shape}}`);
      await assert.rejects(
        read(t, { flags: ['--config', file] }),
        { code: 'bad-value' },
        `${key}: ${shape.slice(0, 40)}`,
      );
    }
  }
});

test('a key that no command knows is refused, one of another command is not', async (t) => {
  const flags = ['--id', 'a'];
  await assert.rejects(read(t, { flags, file: { lingerMs: '1s' } }), {
    code: 'unknown-setting',
    message: /"lingerMs" in .* known are logLevel, verbose, linger, batchEventsMax, id, label, drain, port$/,
  });
  assert.equal((await read(t, { flags, file: { port: 80, logLevel: 'warn' } })).id, 'a');
});

test('a key that every object has is not a setting', async (t) => {
  await assert.rejects(read(t, { flags: ['--id', 'a'], file: { constructor: 1 } }), { code: 'unknown-setting' });
});

test('a config file that is absent, no JSON, or no object is refused', async (t) => {
  for (const path of ['/nowhere/config.json', await configFile(t, '{'), await configFile(t, '[1]')]) {
    await assert.rejects(read(t, { flags: ['--id', 'a', '--config', path] }), { code: 'config-unreadable' });
  }
});

test('help shows the variable and the default in the notation of a person', () => {
  const run = programWith(() => {}).commands[0];
  const help = run?.helpInformation().replace(/\s+/g, ' ') ?? '';
  assert.match(help, /--linger <duration> longest wait \(TIDEGATE_LINGER, default 250ms\)/);
  assert.match(help, /--no-drain .*\(TIDEGATE_DRAIN\)/);
  assert.match(help, /--log-level <level> .*\(TIDEGATE_LOG_LEVEL\)/);
  assert.doesNotMatch(help, /undefined|default true|default false/);
});

test('the settings of the program are read before and after the name of the command', async () => {
  for (const argv of [
    ['--verbose', 'run'],
    ['run', '--verbose'],
  ]) {
    let values: SettingValues<typeof programSettings> | undefined;
    const program = programWith((command) => {
      values = readSettings(command, programSettings, {});
    });
    await program.parseAsync(argv, { from: 'user' });
    assert.deepEqual(values, { logLevel: undefined, verbose: true });
  }
});

test('of settings that exclude each other the nearer one counts; of one place both are there', async (t) => {
  const excluding = settings(
    {
      data: ['--data <dir>', 'a folder', text().optional()],
      url: ['--url <url>', 'an address', text().optional()],
      json: ['--json', 'as JSON', toggle().prefault(false)],
    },
    [['data', 'url', 'json']],
  );
  const readWith = async (flags: readonly string[], environment: NodeJS.ProcessEnv) => {
    let values: unknown;
    const program = createProgram('tidegate-test', 'A program.');
    const run = program.command('run').action((_options, command) => {
      values = readSettings(command, excluding, environment);
    });
    addSettings(run, excluding);
    await program.parseAsync(['run', ...flags], { from: 'user' });
    return values;
  };
  const nothing = { data: undefined, url: undefined, json: false };
  assert.deepEqual(await readWith(['--url', 'u'], { TIDEGATE_DATA: 'd' }), { ...nothing, url: 'u' });
  assert.deepEqual(await readWith(['--data', 'd'], { TIDEGATE_URL: 'u', TIDEGATE_JSON: '1' }), {
    ...nothing,
    data: 'd',
  });
  assert.deepEqual(await readWith(['--json'], { TIDEGATE_DATA: 'd' }), { ...nothing, json: true });
  assert.deepEqual(await readWith([], { TIDEGATE_DATA: 'd', TIDEGATE_JSON: 'false' }), { ...nothing, data: 'd' });
  assert.deepEqual(await readWith(['--data', 'd', '--url', 'u'], {}), { ...nothing, data: 'd', url: 'u' });
  const config = await configFile(t, '{"data":"d"}');
  for (const off of ['false', '0']) {
    const environment = { TIDEGATE_JSON: off, TIDEGATE_CONFIG: config };
    assert.deepEqual(await readWith([], environment), { ...nothing, data: 'd' }, 'what is off puts nothing aside');
  }
});
