/**
 * Settings: the flags of `tidegate-device`.
 *
 * Owns their names, bounds and defaults; each can also come from the environment or the config file. Never reads
 * secrets.
 */
import { choice, duration, httpUrl, integer, settings, size, text, toggle } from '../cli/index.ts';
import { INPUT_FORMATS, QUOTED_LINES, TIME_UNITS } from './inputs/index.ts';
import { character, encoding, mapping, names, timeFormat, timeZone } from './row-settings.ts';
import { PROFILES } from './simulation.ts';

export const dataSettings = settings({
  data: ['--data <dir>', 'directory of the queue', text()],
});

export const runSettings = settings(
  {
    ...dataSettings,
    gateway: ['--gateway <url>', 'base address of the gateway', httpUrl()],
    id: ['--id <id>', 'this device', text()],
    secretFile: [
      '--secret-file <file>',
      'credential as `keys add` gave it; or TIDEGATE_SECRET holds it',
      text().optional(),
    ],
    ca: ['--ca <file>', 'PEM certificates to trust instead of the system’s', text().optional()],
    input: [
      '--input <source>',
      'simulate, none, - for standard input, or a file, a named pipe, a device',
      text().prefault('-'),
    ],
    drain: ['--no-drain', 'end once everything is recorded, without waiting for the gateway', toggle().prefault(true)],
    json: ['--json', 'end with one JSON line on standard output', toggle().prefault(false)],

    format: [
      '--format <format>',
      'ndjson, csv, tsv or toa5; default by the name of the file or its first lines',
      choice(...INPUT_FORMATS).optional(),
    ],
    map: [
      '--map <pairs>',
      'names in the input, in one list: ts=time,sensor=meter,volume="flow, m3"',
      mapping().optional(),
    ],
    timeColumns: [
      '--time-columns <names>',
      'names in the input of what makes up the time together, in order: Date,Time',
      names().optional(),
    ],
    skip: ['--skip <names>', 'names in the input to leave out, in one list: a,b,"c, d"', names().optional()],
    text: [
      '--text <names>',
      'names whose values are texts, whatever they look like: 007 stays 007',
      names().optional(),
    ],
    number: ['--number <names>', 'names whose values are numbers, in quotes, too', names().optional()],
    mixed: ['--mixed <names>', 'names whose values are numbers or texts', names().optional()],
    missing: ['--missing <texts>', 'values that mean there is none: NAN,n/a,-7999', names().optional()],
    decimal: ['--decimal <mark>', 'in numbers: . or ,', choice('.', ',').prefault('.')],
    delimiter: ['--delimiter <character>', 'between cells of CSV: , ; | or tab', character().optional()],
    encoding: [
      '--encoding <name>',
      'utf-8, utf-16le, windows-1252 …; default UTF-8, or by a byte order mark',
      encoding().optional(),
    ],
    headingLine: [
      '--heading-line <number>',
      'line of the names of columns; default 1',
      integer({ min: 1, max: 1_000 }).optional(),
    ],
    rowsLine: [
      '--rows-line <number>',
      'line of the first row; default behind the heading',
      integer({ min: 2, max: 1_000 }).optional(),
    ],
    shortRows: ['--short-rows', 'take CSV rows with fewer cells than columns', toggle().prefault(false)],
    quotedLines: [
      '--quoted-lines <what>',
      'lines within quotes that could be rows are text or rows; default: refused',
      choice(...QUOTED_LINES).optional(),
    ],
    sensor: ['--sensor <name>', 'sensor of rows that name none', text().prefault('default')],
    timeUnit: [
      '--time-unit <unit>',
      'of times that are numbers: s, ms, us or ns; default ms, where that is likely',
      choice(...TIME_UNITS).optional(),
    ],
    timeZone: [
      '--time-zone <zone>',
      'of times that name none: Europe/Berlin, -07:00; default UTC',
      timeZone().optional(),
    ],
    timeFormat: [
      '--time-format <pattern>',
      'of times that are not ISO 8601: dd.MM.yyyy HH:mm',
      timeFormat().optional(),
    ],
    lastLine: ['--last-line', 'the last line is whole, although it has no line end', toggle().prefault(false)],
    fromStart: ['--from-start', 'record a file again that was recorded before', toggle().prefault(false)],
    continue: ['--continue', 'go on behind rows that were recorded from another file', toggle().prefault(false)],
    rejects: ['--rejects <file>', 'append refused rows as they are, to be put right and recorded', text().optional()],
    strict: ['--strict', 'end with an error at the first row that is refused', toggle().prefault(false)],

    rate: [
      '--rate <events>',
      'simulate: events a second, default 10; 0 for as many as the disk takes',
      integer({ min: 0, max: 10_000_000 }).optional(),
    ],
    events: ['--events <count>', 'simulate: end after so many', integer({ min: 0 }).optional()],
    sensors: [
      '--sensors <count>',
      'simulate: how many take turns, default 3',
      integer({ min: 1, max: 1_000 }).optional(),
    ],
    seed: [
      '--seed <number>',
      'simulate: the same readings again, default 1',
      integer({ min: 0, max: 0xffffffff }).optional(),
    ],
    profile: ['--profile <name>', 'simulate: flow, meter or machine, default flow', choice(...PROFILES).optional()],

    linger: ['--linger <duration>', 'how long an event may wait for company', duration({ max: '1d' }).prefault('1s')],
    batchEvents: [
      '--batch-events <count>',
      'events in one request at most',
      integer({ min: 1, max: 65_536 }).prefault('16384'),
    ],
    batchBytes: [
      '--batch-bytes <size>',
      'uncompressed bytes in one request at most',
      size({ min: '1KiB', max: '16MiB' }).prefault('1MiB'),
    ],
    inFlight: ['--in-flight <count>', 'requests under way at a time', integer({ min: 1, max: 6 }).prefault('4')],
    requestTimeout: [
      '--request-timeout <duration>',
      'longest time for one request',
      duration({ min: '1ms', max: '1h' }).prefault('1m'),
    ],
    retryBase: [
      '--retry-base <duration>',
      'bound of the first wait after a failure',
      duration({ min: '1ms', max: '1h' }).prefault('500ms'),
    ],
    retryMax: [
      '--retry-max <duration>',
      'bound of every wait after a failure',
      duration({ min: '1ms', max: '1d' }).prefault('1m'),
    ],
    queueBytes: [
      '--queue-bytes <size>',
      'queued bytes at most; default: what the disk holds',
      size({ min: '64KiB' }).optional(),
    ],
    whenFull: [
      '--when-full <policy>',
      'refuse new events, or drop-oldest as a declared gap',
      choice('refuse', 'drop-oldest').prefault('refuse'),
    ],
    reserve: [
      '--reserve <size>',
      'disk space held back so that a full disk can be drained',
      size({ max: '1GiB' }).prefault('16MiB'),
    ],
  },
  [['fromStart', 'continue']],
);
