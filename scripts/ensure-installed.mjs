/**
 * Installs what package-lock.json asks for, where node_modules does not hold it yet, so that any script can be the
 * first command in a fresh clone.
 *
 * Promises to take a few milliseconds when nothing is missing, to write to stderr only, and that two processes at once
 * install once. Depends on nothing but Node. Never changes package.json or package-lock.json.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const lockPath = `${root}.install.lock`;
const LOCK_POLL_MS = 200;

if (process.argv[1] === fileURLToPath(import.meta.url)) ensureInstalled();

export function ensureInstalled() {
  refuseOldNode();
  if (isInstalled()) return;
  acquireLock();
  try {
    // Another process may have done it while this one waited.
    if (!isInstalled()) install();
  } finally {
    rmSync(lockPath, { force: true });
  }
}

function refuseOldNode() {
  const wanted = readJson('package.json').engines.node.replace('>=', '').split('.').map(Number);
  const running = process.versions.node.split('.').map(Number);
  if (running[0] > wanted[0] || (running[0] === wanted[0] && running[1] >= wanted[1])) return;
  fail(`Tidegate needs Node ${wanted.join('.')} or newer; this is ${process.version}`);
}

/** npm leaves a copy of what it installed; packages for other machines are absent from it. */
function isInstalled() {
  if (!existsSync(`${root}node_modules/.package-lock.json`)) return false;
  const present = readJson('node_modules/.package-lock.json').packages;
  return Object.entries(readJson('package-lock.json').packages).every(
    ([path, wanted]) =>
      path === '' || present[path]?.version === wanted.version || (wanted.optional && !isForThisMachine(wanted)),
  );
}

function isForThisMachine({ os, cpu, libc }) {
  // Which C library this machine has takes long to find out, so packages that depend on it are npm's business.
  return libc === undefined && (os?.includes(process.platform) ?? true) && (cpu?.includes(process.arch) ?? true);
}

function install() {
  console.error('installing packages (npm ci) …');
  // Without install scripts: RocksDB's would abort on newer Nodes and then compile for minutes, to no use (see
  // src/store/rocksdb-addon.ts); esbuild's only saves a few milliseconds.
  npm('ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error');
  if (!hasRocksDbForThisMachine()) {
    console.error('compiling RocksDB, which has no prebuilt binary for this machine; this takes minutes …');
    npm('rebuild', 'rocksdb', '--ignore-scripts=false', '--foreground-scripts', '--loglevel=error');
  }
}

function hasRocksDbForThisMachine() {
  return readdirSync(`${root}node_modules/rocksdb/prebuilds`).some((folder) => {
    const [platform, ...architectures] = folder.split(/[-+]/);
    return platform === process.platform && architectures.includes(process.arch);
  });
}

function npm(...args) {
  const running = process.env.npm_execpath;
  const [command, ...prefix] =
    running !== undefined && basename(running).startsWith('npm') ? [process.execPath, running] : ['npm'];
  const { status, error } = spawnSync(command, [...prefix, ...args], {
    cwd: root,
    stdio: ['ignore', process.stderr, process.stderr],
    shell: command === 'npm' && process.platform === 'win32',
  });
  if (status !== 0) fail(`npm ${args[0]} failed${error ? `: ${error.message}` : ''}`);
}

/** Waits while a living process holds the lock. */
function acquireLock() {
  for (let told = false; ; ) {
    try {
      writeFileSync(lockPath, String(process.pid), { flag: 'wx' });
      return;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const holder = lockHolder();
    if (holder !== undefined && !isAlive(holder)) {
      rmSync(lockPath, { force: true });
      continue;
    }
    if (!told) console.error('another process is installing the packages; waiting …');
    told = true;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_POLL_MS);
  }
}

function lockHolder() {
  try {
    return Number(readFileSync(lockPath, 'utf8')) || undefined;
  } catch {
    return undefined;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function readJson(path) {
  return JSON.parse(readFileSync(`${root}${path}`, 'utf8'));
}

function fail(message) {
  rmSync(lockPath, { force: true });
  console.error(`error: ${message} (not-installed)`);
  process.exit(1);
}
