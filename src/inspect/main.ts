/**
 * tidegate-inspect: what is in a batch, and whether a request was signed right.
 *
 * Owns the command line. Promises status 0 for a batch that decodes and, where asked, a signature that is valid. Never
 * touches a network or a store.
 */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  addSettings,
  CommandError,
  choice,
  createProgram,
  type Host,
  integer,
  readSecret,
  readSettings,
  runCommand,
  type SettingValues,
  settings,
  text,
  toggle,
} from '../cli/index.ts';
import { type ContentEncoding, INTEGER_MAX } from '../codec/index.ts';
import { openBody } from './body.ts';
import { readInput } from './input.ts';
import { pageOf, verdictLine } from './page.ts';
import { eventLines, jsonDocument, reportOf } from './report.ts';
import { checkSignature, type SignatureVerdict } from './signature.ts';

export interface InspectHost extends Host {
  readonly stdin: Readable & { readonly isTTY?: boolean };
}

const inspectSettings = settings(
  {
    hex: ['--hex <digits>', 'the batch itself, instead of a file', text().optional()],
    encoding: [
      '--encoding <encoding>',
      'content encoding: br, zstd (where Node has it), gzip or identity; without it, found out',
      choice('br', 'zstd', 'gzip', 'identity').optional(),
    ],
    json: ['--json', 'print one JSON document', toggle().prefault(false)],
    ndjson: ['--ndjson', 'print each event as one line of JSON', toggle().prefault(false)],
    signature: ['--signature <value>', 'check this X-Signature, header or hex', text().optional()],
    secretFile: ['--secret-file <file>', 'the key to check it with, <key id>.<secret>', text().optional()],
    device: ['--device <id>', 'X-Device-Id of the request', text().optional()],
    keyId: ['--key-id <id>', 'X-Key-Id of the request, where it is not that of the secret', text().optional()],
    timestamp: [
      '--timestamp <ms>',
      'X-Timestamp of the request',
      integer({ min: -INTEGER_MAX, max: INTEGER_MAX }).optional(),
    ],
  },
  [['json', 'ndjson']],
);
type Values = SettingValues<typeof inspectSettings>;

/** Not a fault of the call, nor of the batch. */
class SignatureInvalid extends Error {
  readonly code = 'signature-invalid';
}

export async function main(argv: readonly string[], host: InspectHost = process): Promise<void> {
  const program = createProgram('tidegate-inspect', 'Prints what is in a batch: as sent, or uncompressed.')
    .argument('[file]', 'file to read; - or nothing for standard input', '-')
    .addHelpText('after', '\nThe secret may stand in TIDEGATE_SECRET instead of a file.')
    .action((file: string) => inspect(file, readSettings(program, inspectSettings), host));
  addSettings(program, inspectSettings);
  await runCommand(program, { argv, host });
}

async function inspect(file: string, values: Values, host: InspectHost): Promise<void> {
  const { json, ndjson } = values;
  if (json && ndjson) throw new CommandError('usage', 'choose one of --json and --ndjson');
  if (values.hex === undefined && file === '-' && host.stdin.isTTY) {
    throw new CommandError('missing-value', 'name a FILE, give --hex DIGITS, or pipe a batch in');
  }
  const secret = await secretFor(values);
  const body = await readInput({ file, hex: values.hex }, host.stdin);
  const verdict = secret === undefined ? undefined : verdictOn(secret, values, body);
  // The verdict stands even if the batch does not.
  if (verdict && !json && !ndjson) host.stdout.write(verdictLine(verdict));
  const opened = await openBody(body, values.encoding ?? signedEncoding(verdict));
  if (ndjson) await write(host, withLineEnds(eventLines(opened)));
  else if (json) await write(host, jsonDocument(reportOf(opened, verdict), opened));
  else await write(host, [pageOf(reportOf(opened, verdict), opened)]);
  if (verdict?.valid === false) throw new SignatureInvalid('the signature is not that of this secret for this request');
}

async function secretFor({ signature, secretFile, device, timestamp, keyId }: Values): Promise<string | undefined> {
  if (signature !== undefined) {
    return readSecret({ name: 'device secret', flag: '--secret-file', file: secretFile, variable: 'TIDEGATE_SECRET' });
  }
  if (device === undefined && timestamp === undefined && keyId === undefined) return undefined;
  throw new CommandError('missing-value', '--signature is needed: the X-Signature of the request');
}

function verdictOn(secret: string, values: Values, body: Uint8Array): SignatureVerdict {
  const { signature = '', device, timestamp, keyId, encoding } = values;
  if (device === undefined) throw new CommandError('missing-value', '--device is needed to check a signature');
  if (timestamp === undefined) throw new CommandError('missing-value', '--timestamp is needed to check a signature');
  return checkSignature(secret, { deviceId: device, timestamp, signature, keyId, contentEncoding: encoding }, body);
}

function signedEncoding(verdict: SignatureVerdict | undefined): ContentEncoding | undefined {
  return verdict?.contentEncoding ?? undefined;
}

function* withLineEnds(lines: Iterable<string>): Generator<string, void, void> {
  for (const line of lines) yield `${line}\n`;
}

function write(host: InspectHost, parts: Iterable<string>): Promise<void> {
  return pipeline(Readable.from(parts), host.stdout, { end: false });
}
