/**
 * The plumbing that the three programs share: frame, settings, secrets, log, shutdown.
 *
 * Imports nothing else of ours and knows nothing of devices and gateways.
 */
export { certificateProblem, isUntrusted, readCertificates } from './certificates.ts';
export {
  addCommand,
  callText,
  createProgram,
  type Host,
  type ProgramValues,
  programSettings,
  refuseRepeats,
  runCommand,
} from './command.ts';
export { CommandError, type CommandErrorCode, failureText } from './errors.ts';
export { createLogger, type Logger } from './logger.ts';
export { readPlainFile, unreadable } from './plain-file.ts';
export { printable, printableJson, widthOf } from './printable.ts';
export { readSecret, type SecretSources, writeSecretFile } from './secrets.ts';
export { addSettings, readSettings, type Setting, type Settings, type SettingValues, settings } from './settings.ts';
export { onShutdown, type Shutdown, type ShutdownSignal } from './shutdown.ts';
export { createStatusLine, type StatusLine } from './status-line.ts';
export { type Alignment, tableLines } from './table.ts';
export {
  type Bounds,
  choice,
  duration,
  httpUrl,
  integer,
  type ListenAddress,
  listenAddress,
  size,
  text,
  toggle,
} from './values.ts';
