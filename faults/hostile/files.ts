/**
 * Files: what somebody may have written into the files that the programs read.
 *
 * Owns config files and key files that are almost right. Promises that what is refused is refused by the program's own
 * codes, so that it ends with one clear line; and that keys which are read can be written again.
 */
import { writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { addSettings, CommandError, readSettings } from '../../src/cli/index.ts';
import { runSettings } from '../../src/device/settings.ts';
import { KeyFileError } from '../../src/gateway/key-errors.ts';
import { createKeyFile } from '../../src/gateway/key-file.ts';
import { serveSettings } from '../../src/gateway/settings.ts';
import type { Dice } from './dice.ts';
import { Breach, describe, type Kind, REFUSED, TAKEN } from './kind.ts';
import { mutated } from './mutation.ts';

export const CONFIG_FILES = 'config files';
export const KEY_FILES = 'key files';

const CODES: ReadonlySet<string> = new Set(['missing-value', 'bad-value', 'unknown-setting', 'config-unreadable']);

const NAMES = [
  ...['gateway', 'id', 'data', 'linger', 'batchEvents', 'queueBytes', 'drain', 'map', 'skip', 'listen', 'retainBytes'],
  ...['eventsMax', 'window', 'whenFull', 'json', '__proto__', 'constructor', 'toString', 'help', ''],
];
const VALUES = [
  ...['1', '-1', '0', '1e400', '1e21', '-0', 'null', 'true', '""', '"5s"', '"1KiB"', '"127.0.0.1:80"', '"a=b,c=d"'],
  ...['[]', '[1]', '{}', '{"toString":1}', '{"valueOf":null}', `"${'9'.repeat(500)}s"`, `"${'9'.repeat(50_000)}x"`],
  ...[`${'['.repeat(5_000)}${']'.repeat(5_000)}`, '"https://a:b@c/"', '"\\u0000"', '"http://[::1]:99999/"'],
];

export function fileKinds(folder: string): Kind[] {
  const config = join(folder, 'config.json');
  const keys = join(folder, 'keys.json');
  const file = createKeyFile({ path: keys, clock: Date.now, randomBytes: (count) => Buffer.alloc(count, 7) });
  const whole = (async () => {
    for (const id of ['pump-7', 'pump-8']) await file.add(id);
    await file.rotate('pump-7');
    await file.revoke('pump-7', 'k1');
    return await readFile(keys);
  })();
  return [
    {
      name: CONFIG_FILES,
      share: 240,
      strike(dice) {
        const text = configText(dice);
        writeFileSync(config, text);
        const table = dice.chance(0.5) ? runSettings : serveSettings;
        const command = new Command().option('--config <file>').action(() => {});
        addSettings(command, table);
        command.parse(['--config', config], { from: 'user' });
        try {
          readSettings(command, table, {});
          return TAKEN;
        } catch (error) {
          if (error instanceof CommandError && CODES.has(error.code) && error.message.length < 2_000) return REFUSED;
          throw new Breach(`${describe(error).slice(0, 300)}; config ${text.toString().slice(0, 800)}`);
        }
      },
    },
    {
      name: KEY_FILES,
      share: 120,
      async strike(dice) {
        const text = keysText(await whole, dice);
        writeFileSync(keys, text);
        try {
          const table = await file.list();
          // What can be read can be changed, and read again.
          const id = `added-${table.size}`;
          if (!table.has(id)) await file.add(id);
          if ((await file.list()).size < table.size) throw new Breach('a device was lost');
          return TAKEN;
        } catch (error) {
          if (error instanceof KeyFileError && error.code === 'keys-unreadable') return REFUSED;
          throw new Breach(`${describe(error)}; keys ${text.toString().slice(0, 800)}`);
        }
      },
    },
  ];
}

function configText(dice: Dice): Buffer {
  const members = Array.from(
    { length: dice.between(0, 5) },
    () => `${JSON.stringify(dice.pick(NAMES))}:${dice.pick(VALUES)}`,
  );
  const known = dice.chance(0.6) ? ['"gateway":"http://127.0.0.1:1"', '"id":"a"', '"data":"d"'] : [];
  const text = Buffer.from(`{${[...known, ...members].join(',')}}`);
  return Buffer.from(dice.chance(0.3) ? mutated(text, dice, [text]) : text);
}

function keysText(whole: Buffer, dice: Dice): Buffer {
  if (dice.chance(0.1)) return Buffer.from(JSON.stringify(JSON.parse(whole.toString())));
  return Buffer.from(mutated(whole, dice, [whole]));
}
