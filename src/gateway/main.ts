/**
 * `tidegate-gateway`: the program.
 *
 * Owns its commands and their help. Never does their work: that is in `serve.ts`, `key-commands.ts` and
 * `totals-command.ts`.
 */
import type { Command } from 'commander';
import {
  addSettings,
  createProgram,
  programSettings,
  readSettings,
  runCommand,
  type Settings,
  type SettingValues,
} from '../cli/index.ts';
import { addKey, listKeys, revokeKeys, rotateKey } from './key-commands.ts';
import { addKeySettings, keySettings, serveSettings, totalsSettings } from './settings.ts';

export async function main(argv: readonly string[]): Promise<void> {
  const program = createProgram('tidegate-gateway', 'Takes batches from devices and counts every event exactly once.');
  // Loaded when they are called: a server takes longer to load than a key to make.
  add(program, 'serve', 'run the gateway until SIGTERM', serveSettings, async (values, _given, command) => {
    const { serve } = await import('./serve.ts');
    await serve(values, readSettings(command, programSettings));
  });
  add(program, 'totals', 'what was counted, over all devices', totalsSettings, async (values) => {
    const { printTotals } = await import('./totals-command.ts');
    await printTotals(values);
  });
  const keys = program.command('keys').description('keys of devices; a running gateway picks changes up');
  add(keys, 'add <device>', 'make a device, and print its credential', addKeySettings, (values, [device]) =>
    addKey(values, device!),
  );
  add(keys, 'list', 'all keys, without their secrets', keySettings, listKeys);
  add(
    keys,
    'rotate <device>',
    'make a second key for a device, and print its credential',
    addKeySettings,
    (values, [device]) => rotateKey(values, device!),
  );
  add(keys, 'revoke <device> [key]', 'revoke one key of a device, or all', keySettings, (values, [device, key]) =>
    revokeKeys(values, device!, key),
  );
  await runCommand(program, { argv });
}

function add<S extends Settings>(
  parent: Command,
  nameAndArguments: string,
  description: string,
  table: S,
  work: (values: SettingValues<S>, given: readonly string[], command: Command) => Promise<void>,
): void {
  const command = parent.command(nameAndArguments).description(description);
  command.action(() => work(readSettings(command, table), command.args, command));
  addSettings(command, table);
}
