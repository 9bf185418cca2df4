/**
 * A minimal device, as proto-spec/conformance.md has it: written from these pages alone, and with nothing but Node's
 * own modules. It has sensors with a volume and nothing else, does not compress, and sends one batch at a time.
 *
 * Its disk is a folder: `events` (a line of JSON each, in sequence), `streams` (from which sequence on), `settled` (up
 * to which sequence nothing is left to do) and `refused`.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';

const EVENTS_MAX = 100;
const RETRY_BASE_MS = 500;
const RETRY_MAX_MS = 60_000;
const PAUSE_MAX_MS = 300_000;

/** @param wait for so many milliseconds; @param onPause is told the code of the gateway that pauses the device */
export function openMinimalDevice({ url, deviceId, credential, folder, clock, wait, onPause }) {
  const dot = credential.lastIndexOf('.');
  const key = { id: credential.slice(0, dot), secret: Buffer.from(credential.slice(dot + 1), 'base64url') };
  const file = (name) => join(folder, name);
  const lines = (name) =>
    (existsSync(file(name)) ? readFileSync(file(name), 'utf8').split('\n').slice(0, -1) : []).map((line) =>
      JSON.parse(line),
    );
  const events = lines('events');
  const streams = lines('streams');
  const refused = lines('refused');
  let settled = lines('settled')[0] ?? 0;
  let eventsMax = EVENTS_MAX;
  /** Up to here events go one by one: a batch with them was refused. */
  let singlyUpTo = 0;
  let offsetMs = 0;
  /** It is on the disk before it is sent. */
  let streamed = false;

  const beginStream = () => {
    streams.push({ first: events.length + 1, stream: randomBytes(16).toString('hex') });
    append(file('streams'), streams.at(-1));
    streamed = true;
  };

  const settle = (upTo) => {
    settled = upTo;
    append(file('settled.new'), settled);
    renameSync(file('settled.new'), file('settled'));
  };

  /** The stream of a sequence, and the last sequence that is in it so far. */
  const streamOf = (sequence) => {
    const at = streams.findLastIndex(({ first }) => first <= sequence);
    return { stream: streams[at].stream, last: streams[at + 1] ? streams[at + 1].first - 1 : events.length };
  };

  const batchOf = (first, count, stream) => {
    const queue = [events.length, events.length - settled, refused.length, 0];
    return pack({
      v: 1,
      stream: Buffer.from(stream, 'hex'),
      first,
      count,
      sent: Math.round(clock() + offsetMs),
      queue,
      gaps: [],
      columns: columnsOf(events.slice(first - 1, first - 1 + count)),
    });
  };

  /** One request; null where no answer came that this gateway has signed for it. */
  const attempt = async (body) => {
    const timestamp = Math.round(clock() + offsetMs);
    const signature = hmac(key.secret, `tidegate-request-v1\n${deviceId}\n${key.id}\n${timestamp}\nidentity\n`, body);
    const answer = await post(`${url}/v1/batches`, body, {
      'Content-Type': 'application/vnd.tidegate.batch+msgpack',
      'Content-Length': body.length,
      'X-Device-Id': deviceId,
      'X-Key-Id': key.id,
      'X-Timestamp': timestamp,
      'X-Signature': `v1=${signature}`,
    });
    const due = hmac(
      key.secret,
      `tidegate-answer-v1\n${answer.status}\n${signature}\n${answer.headers['x-timestamp']}\n`,
      answer.body,
    );
    const values = (answer.headers['x-signature'] ?? '').split(',').map((value) => value.trim());
    const isSigned = values.some((value) => isSame(value, `v1=${due}`));
    return isSigned ? { status: answer.status, said: JSON.parse(answer.body.toString()) } : null;
  };

  return {
    status: () => ({ recorded: events.length, queued: events.length - settled, quarantined: refused.length, offsetMs }),
    refused: () => refused,

    record(ts, sensor, volume) {
      if (!streamed) beginStream();
      events.push({ ts, sensor, volume });
      append(file('events'), events.at(-1));
    },

    /** Resolves once everything is acknowledged or put aside. */
    async drain() {
      let failures = 0;
      let corrected = false;
      const retry = async (capMs, leastMs = 0) => {
        corrected = false;
        await wait(Math.max(leastMs, Math.random() * Math.min(capMs, RETRY_BASE_MS * 2 ** failures++)));
      };
      while (settled < events.length) {
        const first = settled + 1;
        const { stream, last } = streamOf(first);
        const count = first <= singlyUpTo ? 1 : Math.min(eventsMax, last - first + 1);
        const answer = await attempt(batchOf(first, count, stream)).catch(() => null);
        const code = answer?.said.code;
        const refuse = () => {
          refused.push({ sequence: first, stream, ...events[first - 1], code });
          append(file('refused'), refused.at(-1));
          settle(first);
        };
        if (answer === null) await retry(RETRY_MAX_MS);
        else if (answer.status === 200) {
          const { said } = answer;
          if (said.stream !== stream || said.first !== first || said.count !== count) await retry(RETRY_MAX_MS);
          else {
            settle(first + count - 1);
            failures = 0;
          }
        } else if (code === 'clock-skew' && !corrected && Number.isSafeInteger(answer.said.clock)) {
          offsetMs = answer.said.clock - clock();
          corrected = true;
        } else if (answer.status === 413) {
          if (count === 1) refuse();
          else eventsMax = Math.min(answer.said.eventsMax ?? EVENTS_MAX, Math.ceil(count / 2));
        } else if ((answer.status === 400 && code !== 'headers-invalid') || answer.status === 422) {
          if (count === 1) refuse();
          else singlyUpTo = first + count - 1;
        } else if (code === 'headers-invalid' || [403, 409, 415].includes(answer.status)) {
          onPause(code);
          await retry(PAUSE_MAX_MS);
        } else await retry(RETRY_MAX_MS, answer.status === 503 ? (answer.said.retryAfterMs ?? 1_000) : 0);
      }
    },
  };
}

/** A line of JSON that is on the disk when this returns. */
function append(path, value) {
  const handle = openSync(path, 'a');
  writeSync(handle, `${JSON.stringify(value)}\n`);
  fsyncSync(handle);
  closeSync(handle);
}

// batch.md

function columnsOf(events) {
  const sensors = [...new Set(events.map(({ sensor }) => sensor))];
  const order = sensors.length > 1 ? integers(events.map(({ sensor }) => sensors.indexOf(sensor))) : null;
  const rows = sensors.flatMap((name) => events.filter(({ sensor }) => sensor === name));
  const volumes = ['volume', 0, null, doubles(rows.map(({ volume }) => volume))];
  return [events.length, sensors, order, integers(rows.map(({ ts }) => ts)), [volumes]];
}

/** Order 0 and varints. */
function integers(values) {
  const bytes = [0x0f];
  for (const value of values) {
    let code = value >= 0 ? 2 * value : -2 * value - 1;
    for (; code >= 128; code = Math.floor(code / 128)) bytes.push((code % 128) + 128);
    bytes.push(code);
  }
  return Buffer.from(bytes);
}

/** The first bytes of all, then the second ones, and so on. */
function doubles(values) {
  const bytes = Buffer.alloc(8 * values.length);
  values.forEach((value, i) => {
    const one = Buffer.alloc(8);
    one.writeDoubleLE(value);
    one.forEach((byte, plane) => {
      bytes[plane * values.length + i] = byte;
    });
  });
  return bytes;
}

/** MessagePack in its widest formats, which readers take as well as any. */
function pack(value) {
  const sized = (type, length) =>
    Buffer.from([type, length >>> 24, (length >>> 16) & 255, (length >>> 8) & 255, length & 255]);
  if (value === null) return Buffer.from([0xc0]);
  if (typeof value === 'number') {
    const bytes = Buffer.from([0xcb, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes.writeDoubleBE(value, 1);
    return bytes;
  }
  if (typeof value === 'string') return Buffer.concat([sized(0xdb, Buffer.byteLength(value)), Buffer.from(value)]);
  if (Buffer.isBuffer(value)) return Buffer.concat([sized(0xc6, value.length), value]);
  if (Array.isArray(value)) return Buffer.concat([sized(0xdd, value.length), ...value.map(pack)]);
  const entries = Object.entries(value);
  return Buffer.concat([sized(0xdf, entries.length), ...entries.flatMap((entry) => entry.map(pack))]);
}

// signing.md

function hmac(secret, prefix, body) {
  return createHmac('sha256', secret).update(prefix).update(body).digest('hex');
}

function isSame(value, due) {
  return value.length === due.length && timingSafeEqual(Buffer.from(value), Buffer.from(due));
}

function post(url, body, headers) {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method: 'POST', headers, agent: false, timeout: 60_000 }, (answer) => {
      const chunks = [];
      answer.on('data', (chunk) => chunks.push(chunk));
      answer.on('error', reject);
      answer.on('end', () =>
        resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(chunks) }),
      );
    });
    request.on('timeout', () => request.destroy(new Error('no answer in time')));
    request.on('error', reject);
    request.end(body);
  });
}
