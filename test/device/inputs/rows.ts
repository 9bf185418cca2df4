/** Rows of a text, through all that rows of an input go through. */
import type { TelemetryEvent } from '../../../src/codec/index.ts';
import type { LocatedRow } from '../../../src/device/inputs/fed-rows.ts';
import type { RejectedRow } from '../../../src/device/inputs/rejected-rows.ts';
import { RowFeed } from '../../../src/device/inputs/row-feed.ts';
import type { InputFormat, RowOptions } from '../../../src/device/inputs/row-reader.ts';

export const OPTIONS: RowOptions = { names: new Map(), skip: new Set(), timeUnit: 'ms', sensor: 'default' };

export interface ReadRows {
  readonly events: TelemetryEvent[];
  readonly refused: [line: number, code: string][];
  readonly messages: string[];
  readonly rejected: string;
  readonly waiting: number;
  readonly valueless: number;
}

export interface ReadOptions extends Partial<RowOptions> {
  readonly pieceBytes?: number;
  readonly encoding?: string;
  readonly lastLine?: boolean;
  /** The input can be read again, as a file can. */
  readonly isFile?: boolean;
  readonly quotedRowsMax?: number;
}

export function readRows(format: InputFormat, text: string | Buffer, options: ReadOptions = {}): ReadRows {
  const { pieceBytes = 1 << 20, encoding = 'utf-8', lastLine = false, isFile = false } = options;
  const feed = new RowFeed({ ...OPTIONS, ...options, format, encoding, offset: 0, lastLine });
  const bytes = Buffer.from(text as string);
  const fed = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) fed.push(feed.push(bytes.subarray(at, at + pieceBytes)));
  fed.push(feed.end(!isFile));
  const refused: LocatedRow[] = fed.flatMap((rows) => rows.refused);
  return {
    events: fed.flatMap(({ events }) => events),
    refused: refused.map(({ line, code }) => [line, code]),
    messages: refused.map(({ message }) => message),
    rejected: rejectedText(
      feed.preamble,
      fed.flatMap(({ rejected }) => rejected),
    ),
    waiting: feed.waiting,
    valueless: fed.reduce((sum, { valueless }) => sum + valueless, 0),
  };
}

export const timesOf = ({ events }: ReadRows): number[] => events.map(({ ts }) => ts);

/** With headings where they change, as the file of rejects has them. */
function rejectedText(preamble: Buffer, rows: readonly RejectedRow[]): string {
  let held: Buffer | undefined;
  const parts = rows.flatMap(({ bytes, heading }) => {
    const isHeld = heading === undefined || (held?.equals(heading) ?? preamble.includes(heading));
    held = heading;
    return isHeld ? [bytes] : [heading, bytes];
  });
  return Buffer.concat([preamble, ...parts]).toString();
}
