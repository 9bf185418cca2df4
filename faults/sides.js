/**
 * Sides: a real gateway and a real device as processes, and the oracle between them.
 *
 * Owns how each is started, killed and started again on what it left on disk, and where the journal lies. Promises that a
 * side that ends without having been asked is an error with its last words. Never decides when anything happens.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { taskArguments } from '../rig/programs.js';

const GATEWAY = 'bin/tidegate-gateway.js';
const DEVICE = 'bin/tidegate-device.js';
export async function createGatewaySide(options) {
  const side = new RunningGateway(options);
  await mkdir(side.data, { recursive: true, mode: 0o700 });
  await mkdir(join(options.folder, 'secrets'), { recursive: true, mode: 0o700 });
  return side;
}
class RunningGateway {
  url = '';
  data;
  program;
  #options;
  constructor(options) {
    this.#options = options;
    this.data = options.data ?? join(options.folder, 'gateway');
  }
  async addKey(deviceId) {
    const { programs, folder } = this.#options;
    const secretFile = join(folder, 'secrets', deviceId);
    await programs.run('gateway', GATEWAY, ['keys', 'add', deviceId, '--data', this.data, '--secret-file', secretFile]);
    return secretFile;
  }
  async start(options) {
    const { programs, flags = [] } = this.#options;
    const listen = this.url === '' ? '127.0.0.1:0' : new URL(this.url).host;
    const args = ['serve', '--data', this.data, '--listen', listen, ...flags];
    const program = programs.start('gateway', GATEWAY, args, options);
    this.program = program;
    this.url = await firstOf(program, (line) => (line['msg'] === 'listening' ? line['url'] : undefined));
    return program;
  }
  async kill() {
    this.program?.kill('SIGKILL');
    await this.program?.ended;
    this.program = undefined;
  }
  async stop() {
    this.program?.kill('SIGTERM');
    const end = await this.program?.ended;
    this.program = undefined;
    return end?.status ?? 0;
  }
}
/** Serials of one start; more than any start records. */
const SERIALS = 10_000_000;
/** Faults are over soon: devices of campaigns try again sooner than real ones should. */
const PATIENCE = { retryBaseMs: 20, retryMaxMs: 200, pauseMaxMs: 200, requestTimeoutMs: 2_000, lingerMs: 5 };
/** A round number of days, so that event times lie about the beginning of a page of each kind. */
const AROUND = 600 * 32 * 86_400_000;
export function createDeviceSide(options) {
  return new RunningDevice(options);
}
class RunningDevice {
  id;
  data;
  journal;
  program;
  #options;
  #starts = 0;
  constructor(options) {
    const { folder, id, data } = options;
    this.#options = options;
    this.id = id;
    this.data = data ?? join(folder, id);
    this.journal = join(folder, `${id}.journal`);
  }
  async start(run, options) {
    const program = this.launch(run, options);
    await firstOf(program, (line) => ('opened' in line ? true : undefined));
    return program;
  }
  launch(run, options) {
    const { id, secretFile, programs } = this.#options;
    const task = {
      options: { id, data: this.data, gateway: run.gateway, ...PATIENCE, ...run.options },
      secretFile,
      journal: this.journal,
      seed: run.seed,
      serial: this.#starts++ * SERIALS + 1,
      events: run.events,
      around: run.around ?? AROUND,
      ...(run.pauseMaxMs !== undefined && { pauseMaxMs: run.pauseMaxMs }),
      ...(run.caFile !== undefined && { caFile: run.caFile }),
    };
    const program = programs.start(`device ${id}`, 'faults/recorder.js', taskArguments(task), options);
    this.program = program;
    return program;
  }
  async kill() {
    this.program?.kill('SIGKILL');
    await this.program?.ended;
    this.program = undefined;
  }
  async drain(run, withinMs) {
    const running = this.program;
    running?.kill('SIGTERM');
    const program = running ?? this.launch({ ...run, events: 0 });
    this.program = undefined;
    const timeout = setTimeout(() => program.kill('SIGKILL'), withinMs);
    const { status } = await program.ended;
    clearTimeout(timeout);
    if (status !== 0) throw new Error(`the device did not drain within ${withinMs} ms: ${program.lastWords()}`);
  }
  async exportQuarantine() {
    const { folder, programs } = this.#options;
    const output = join(folder, `${this.id}.quarantine`);
    await programs.run('device', DEVICE, ['quarantine', 'export', '--data', this.data, '--output', output]);
    return output;
  }
}
export async function askOracle(programs, task) {
  return JSON.parse(await programs.run('oracle', 'faults/oracle/main.js', taskArguments(task)));
}
/** Resolves with what `find` makes of a line of JSON; rejects where the program ends before. */
export function firstOf(program, find) {
  return new Promise((resolve, reject) => {
    program.onLine((line) => {
      const found = line.startsWith('{') ? find(JSON.parse(line)) : undefined;
      if (found !== undefined) resolve(found);
    });
    program.ended.then(
      ({ status }) => reject(new Error(`${program.name} ended with status ${status}: ${program.lastWords()}`)),
      reject,
    );
  });
}
