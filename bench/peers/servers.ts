/**
 * Servers: the programs of Debian that peers send to, set up as their documentation advises where data must last.
 *
 * Owns their settings, each with its reason. Promises that nothing is turned off that would slow one down and keep
 * more. Never listens anywhere but on the loopback interface.
 */
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { ServerProgram } from './server.ts';

/** `persistence` keeps sessions and messages in a file, which is written every half hour and at the end. */
export const mosquitto: ServerProgram = {
  package: 'mosquitto',
  command: 'mosquitto',
  async configure({ folder, port }) {
    const path = await write(folder, 'mosquitto.conf', [
      `listener ${port} 127.0.0.1`,
      'allow_anonymous true',
      'persistence true',
      `persistence_location ${folder}/`,
      // A session that is away must not lose anything.
      'max_queued_messages 0',
      'max_inflight_messages 1000',
      'set_tcp_nodelay true',
      // Else root's process becomes one that may not write here.
      ...(process.getuid?.() === 0 ? ['user root'] : []),
      'log_dest none',
    ]);
    return ['-c', path];
  },
  isReady: accepts,
};

/** JetStream on disk, which is synced on a timer: 2.9 knows no setting that would do it before the acknowledgement. */
export const natsServer: ServerProgram = {
  package: 'nats-server',
  command: 'nats-server',
  async configure({ folder, port }) {
    const path = await write(folder, 'nats.conf', [
      'host: 127.0.0.1',
      `port: ${port}`,
      `jetstream { store_dir: "${folder}/jetstream", max_file_store: 8GB }`,
    ]);
    return ['-c', path];
  },
  isReady: accepts,
};

export const prometheus: ServerProgram = {
  package: 'prometheus',
  command: 'prometheus',
  async configure({ folder, port }) {
    return [
      `--config.file=${await write(folder, 'prometheus.yml', ['global: {}'])}`,
      `--storage.tsdb.path=${folder}/data`,
      '--storage.tsdb.retention.time=100y',
      `--web.listen-address=127.0.0.1:${port}`,
      '--web.enable-remote-write-receiver',
    ];
  },
  isReady: (port) => answers(port, '/-/ready'),
};

/** Deduplication by the millisecond, which is how a sample that came twice counts once. */
export const victoriaMetrics: ServerProgram = {
  package: 'victoria-metrics',
  command: 'victoria-metrics',
  async configure({ folder, port }) {
    return [
      `-storageDataPath=${folder}/data`,
      '-retentionPeriod=100y',
      '-dedup.minScrapeInterval=1ms',
      `-httpListenAddr=127.0.0.1:${port}`,
    ];
  },
  isReady: (port) => answers(port, '/health'),
};

/** Its log is synced at each write: `wal-fsync-delay` is 0 unless somebody changes it. */
export const influxdb: ServerProgram = {
  package: 'influxdb',
  command: 'influxd',
  async configure({ folder, port }) {
    for (const name of ['meta', 'data', 'wal']) await mkdir(join(folder, name));
    const path = await write(folder, 'influxdb.conf', [
      'reporting-disabled = true',
      'bind-address = "127.0.0.1:0"',
      '[meta]',
      `dir = "${folder}/meta"`,
      '[data]',
      `dir = "${folder}/data"`,
      `wal-dir = "${folder}/wal"`,
      'wal-fsync-delay = "0s"',
      '[monitor]',
      'store-enabled = false',
      '[http]',
      `bind-address = "127.0.0.1:${port}"`,
      'log-enabled = false',
    ]);
    return ['-config', path];
  },
  isReady: (port) => answers(port, '/ping'),
};

async function write(folder: string, name: string, lines: readonly string[]): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, `${lines.join('\n')}\n`);
  return path;
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } finally {
    socket.destroy();
  }
}

async function answers(port: number, path: string): Promise<boolean> {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(2_000) });
  await answer.arrayBuffer();
  return answer.ok;
}
