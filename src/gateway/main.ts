/**
 * `tidegate-gateway`: the program.
 *
 * Owns its commands and their help. Never does their work: that is in `serve.ts`, `key-commands.ts` and
 * `totals-command.ts`.
 */
import { addCommand, createProgram, programSettings, readSettings, runCommand } from '../cli/index.ts';
import { addKey, listKeys, revokeKeys, rotateKey } from './key-commands.ts';
import { addKeySettings, keySettings, serveSettings, totalsSettings } from './settings.ts';

export async function main(argv: readonly string[]): Promise<void> {
  const program = createProgram('tidegate-gateway', 'Takes batches from devices and counts every event exactly once.');
  // Loaded when they are called: a server takes longer to load than a key to make.
  addCommand(program, 'serve', 'run the gateway until SIGTERM', serveSettings, async (values, command) => {
    const { serve } = await import('./serve.ts');
    await serve(values, readSettings(command, programSettings));
  });
  addCommand(program, 'totals', 'what was counted, over all devices', totalsSettings, async (values) => {
    const { printTotals } = await import('./totals-command.ts');
    await printTotals(values);
  });
  const keys = program.command('keys').description('keys of devices; a running gateway picks changes up');
  addCommand(
    keys,
    'add <device>',
    'make a device, and print its credential',
    addKeySettings,
    (values, { args: [device] }) => addKey(values, device!),
  );
  addCommand(keys, 'list', 'all keys, without their secrets', keySettings, listKeys);
  addCommand(
    keys,
    'rotate <device>',
    'make a second key for a device, and print its credential',
    addKeySettings,
    (values, { args: [device] }) => rotateKey(values, device!),
  );
  addCommand(
    keys,
    'revoke <device> [key]',
    'revoke one key of a device, or all',
    keySettings,
    (values, { args: [device, key] }) => revokeKeys(values, device!, key),
  );
  await runCommand(program, { argv });
}
