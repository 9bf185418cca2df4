/**
 * `tidegate-device`: the program.
 *
 * Owns its commands and their help. Never does their work: that is in `run.ts` and `inspection.ts`.
 */
import {
  addCommand,
  createProgram,
  programSettings,
  readSettings,
  runCommand,
  settings,
  text,
  toggle,
} from '../cli/index.ts';
import { exportQuarantine, listQuarantine, printStatus, retryQuarantine } from './inspection.ts';
import { run } from './run.ts';
import { dataSettings, runSettings } from './settings.ts';

const showSettings = settings({ ...dataSettings, json: ['--json', 'as JSON', toggle().prefault(false)] });

const exportSettings = settings({
  ...dataSettings,
  output: ['--output <file>', 'default: standard output', text().optional()],
});

export async function main(argv: readonly string[]): Promise<void> {
  const program = createProgram(
    'tidegate-device',
    'Records events on disk and delivers each exactly once to a gateway.',
  );
  addCommand(
    program,
    'run',
    'record events from an input, and deliver what is queued',
    runSettings,
    (values, command) => run(values, readSettings(command, programSettings)),
  );
  addCommand(
    program,
    'status',
    'where the events are: delivered, queued, quarantined, gaps',
    showSettings,
    printStatus,
  );
  const quarantine = program.command('quarantine').description('events that the gateway has refused for good');
  addCommand(quarantine, 'list', 'what is there, and why', showSettings, listQuarantine);
  addCommand(quarantine, 'retry', 'have all of it sent again', dataSettings, retryQuarantine);
  addCommand(quarantine, 'export', 'all of it as NDJSON; it stays in quarantine', exportSettings, exportQuarantine);
  await runCommand(program, { argv });
}
