/** The key file and the ring that follows it. */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import fs, { chownSync, renameSync, writeFileSync } from 'node:fs';
import { chmod, chown, mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { pino } from 'pino';
import { createKeyFile, type KeyFile, openData, type WatchedKeyRing, watchKeyFile } from '../../src/gateway/index.ts';
import { lockFile } from '../../src/store/index.ts';
import { changed, seedOf } from '../codec/property.ts';
import { powerDisk } from '../faults/power-disk.ts';
import { onOpen } from '../opened-files.ts';
import { until } from '../until.ts';
import { temporaryFolder } from './gateway-fixture.ts';

const NOW = Date.UTC(2024, 0, 1);

async function keyFile(t: TestContext, folder?: string): Promise<{ path: string; file: KeyFile }> {
  const path = join(folder ?? (await temporaryFolder(t)), 'keys.json');
  let made = 0;
  const randomBytes = (count: number) => Buffer.alloc(count, ++made);
  return { path, file: createKeyFile({ path, clock: () => NOW, randomBytes }) };
}

/** A ring that only looks at the file when the file system tells, or only by itself. */
async function follow(t: TestContext, path: string, pollMs: number) {
  const lines: { msg: string }[] = [];
  const logger = pino({ level: 'debug' }, { write: (line) => void lines.push(JSON.parse(line)) });
  const ring = await watchKeyFile({ path, logger, pollMs });
  t.after(() => ring.close());
  return { ring, lines };
}

const isLive = (ring: WatchedKeyRing, keyId: string) => ring.lookup('d', keyId)?.revoked === false;

test('where the file system tells of nothing, a change is found by looking', async (t) => {
  const { path, file } = await keyFile(t);
  await file.add('d');
  // As on a network share: it is watched, and nothing is said.
  t.mock.method(fs, 'watch', () => Object.assign(new EventEmitter(), { close: () => {} }));
  syncBuiltinESMExports();
  const { ring } = await follow(t, path, 5);
  t.mock.restoreAll();
  syncBuiltinESMExports();
  await file.revoke('d', 'k1');
  await until(() => ring.lookup('d', 'k1')?.revoked === true, 'it is looked at');
});

/** A ring that looks only when told, and a file whose every reading `reading` may hold, or change it behind. */
async function attentive(t: TestContext, reading: (path: string, revoked: Buffer) => Promise<void>) {
  const { path, file } = await keyFile(t);
  await file.add('d');
  const before = await readFile(path);
  await file.revoke('d', 'k1');
  const revoked = await readFile(path);
  await writeFile(path, before);
  let look = (): void => {};
  const watch = (_folder: string, _options: object, heard: (event: string, name: string) => void) => {
    look = () => heard('rename', basename(path));
    return Object.assign(new EventEmitter(), { close: () => {} });
  };
  t.mock.method(fs, 'watch', watch as typeof fs.watch);
  onOpen(t, (opened) => {
    const read = opened.readFile.bind(opened);
    opened.readFile = (async (...args: Parameters<typeof read>) => {
      const text = await read(...args);
      await reading(path, revoked);
      return text;
    }) as typeof read;
  });
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  const { ring } = await follow(t, path, 3_600_000);
  return { path, revoked, ring, look };
}

test('a change while the file is read is one at the next look', async (t) => {
  const { ring, look } = await attentive(t, (path, revoked) => writeFile(path, revoked));
  assert(isLive(ring, 'k1'));
  look();
  await until(() => !isLive(ring, 'k1'), 'it is read anew');
});

test('who has the file read now gets what it says now, also where a look is under way', async (t) => {
  let held: Promise<void> | undefined;
  let isHeld = false;
  let free = (): void => {};
  const { path, revoked, ring, look } = await attentive(t, async () => {
    isHeld = held !== undefined;
    await held;
  });
  held = new Promise((resolve) => {
    free = resolve;
  });
  await utimes(path, 1, 1);
  look();
  await until(() => isHeld, 'a look has read it');
  held = undefined;
  await writeFile(path, revoked);
  // As long as reading takes many times over: whoever does not wait for the look is done before it.
  const readings = async () => {
    for (let i = 0; i < 50; i += 1) await stat(path);
  };
  const read = ring.reload();
  await readings();
  free();
  await read;
  await readings();
  assert(!isLive(ring, 'k1'));
});

test('a device gets a key, a second one, and loses the first', async (t) => {
  const { path, file } = await keyFile(t);
  assert.deepEqual(await file.list(), new Map());
  const first = await file.add('d');
  assert.deepEqual(first, { keyId: 'k1', secret: Buffer.alloc(32, 1), createdAt: NOW, revokedAt: null });
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  const second = await file.rotate('d');
  assert.equal(second.keyId, 'k2');
  await assert.rejects(file.rotate('d'), { code: 'two-keys-live' });
  assert.deepEqual(await file.revoke('d', 'k1'), [{ ...first, revokedAt: NOW }]);
  assert.deepEqual(await file.list(), new Map([['d', [{ ...first, revokedAt: NOW }, second]]]));
  assert.equal((await file.rotate('d')).keyId, 'k3');
  assert.equal((await file.revoke('d')).length, 2);
});

test('every change outlasts a power cut, and its lock does not', async (t) => {
  const disk = await powerDisk(t);
  if (disk === undefined) return;
  const { file } = await keyFile(t, disk.path);
  const liveKeys = async () => (await file.list()).get('d')?.filter(({ revokedAt }) => revokedAt === null);
  for (const [change, live] of [
    [() => file.add('d'), 1],
    [() => assert.rejects(file.add('d'), { code: 'device-exists' }), 1],
    [() => file.rotate('d'), 2],
    [() => file.revoke('d', 'k1'), 1],
  ] as const) {
    await change();
    disk.cut();
    await disk.restore();
    assert.equal((await liveKeys())?.length, live);
  }
});

test('what cannot be is refused by its code, and changes nothing', async (t) => {
  const { path, file } = await keyFile(t);
  await file.add('d');
  const before = await readFile(path, 'utf8');
  await assert.rejects(file.add('d'), { code: 'device-exists' });
  await assert.rejects(file.add('no id'), { code: 'device-id-invalid' });
  await assert.rejects(file.rotate('e'), { code: 'device-unknown' });
  await assert.rejects(file.revoke('d', 'k9'), { code: 'key-unknown' });
  await assert.rejects(
    file.add('e', () => Promise.reject(new RangeError('taken'))),
    RangeError,
  );
  assert.equal(await readFile(path, 'utf8'), before);
  await file.revoke('d');
  await assert.rejects(file.revoke('d'), { code: 'no-live-key' });
});

test('writers at once change the file one after another', async (t) => {
  const { file } = await keyFile(t);
  await Promise.all(Array.from({ length: 10 }, (_, i) => file.add(`d${i}`)));
  assert.equal((await file.list()).size, 10);
});

test('the lock of a command that was killed is nobody’s, and that of one at work is waited for', async (t) => {
  const { path, file } = await keyFile(t);
  // As an older version left it behind.
  await writeFile(`${path}.lock`, '');
  await file.add('d');
  const lock = await lockFile(`${path}.lock`, () => new Error('taken'));
  await assert.rejects(file.add('e'), { code: 'keys-locked' });
  const waiting = file.add('e');
  await lock.release();
  await waiting;
  const holder = fork(new URL('key-lock-holder.ts', import.meta.url), [`${path}.lock`], {
    execArgv: ['--import', 'tsx'],
  });
  await once(holder, 'message');
  await assert.rejects(file.add('f'), (error: { code?: string; message?: string }) => {
    assert.equal(error.code, 'keys-locked');
    return error.message?.includes(`pid ${holder.pid}`) === true;
  });
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  await file.add('f');
});

test('a key that could not be put in force is taken back, and one that is taken leaves no draft', async (t) => {
  const { path, file } = await keyFile(t);
  await file.add('d');
  const said: string[] = [];
  const deliver = async () => {
    said.push('delivered');
    // Nothing can be renamed to where a folder is.
    await rm(path);
    await mkdir(join(path, 'in the way'), { recursive: true });
    return async () => void said.push('taken back');
  };
  await assert.rejects(file.add('e', deliver));
  assert.deepEqual(said, ['delivered', 'taken back']);
  assert.deepEqual((await readdir(dirname(path))).sort(), ['keys.json', 'keys.json.lock']);
});

test('whoever could read the file still can, save everybody', async (t) => {
  const { path, file } = await keyFile(t);
  await file.add('a');
  for (const [mode, kept] of [
    [0o600, 0o600],
    [0o640, 0o640],
    [0o400, 0o400],
    [0o644, 0o600],
    [0o666, 0o600],
  ] as const) {
    await chmod(path, mode);
    await file.rotate('a');
    await file.revoke('a');
    assert.equal((await stat(path)).mode & 0o777, kept, mode.toString(8));
  }
});

test('changed by root, the file stays its owner’s, and another user is told', {
  skip: process.geteuid?.() !== 0,
}, async (t) => {
  const { path, file } = await keyFile(t);
  const other = 65_534;
  await chown(dirname(path), other, other);
  await file.add('d');
  for (const name of [path, `${path}.lock`]) assert.equal((await stat(name)).uid, other, name);
  await file.rotate('d');
  assert.deepEqual([(await stat(path)).uid, (await stat(path)).gid], [other, other]);
  const asUser = async <T>(uid: number, work: () => Promise<T>): Promise<T> => {
    process.seteuid!(uid);
    try {
      return await work();
    } finally {
      process.seteuid!(0);
    }
  };
  await asUser(other, () => file.revoke('d', 'k1'));
  await chmod(dirname(path), 0o777);
  await chmod(path, 0o666);
  await chmod(`${path}.lock`, 0o666);
  await assert.rejects(
    asUser(other - 1, () => file.revoke('d')),
    { code: 'keys-foreign' },
  );
  await chmod(path, 0o600);
  await assert.rejects(
    asUser(other - 1, () => file.list()),
    { code: 'keys-foreign' },
  );
  assert.equal((await file.revoke('d')).length, 1);
});

test('a file that cannot be read for a while is read when it can be, and that is said once', {
  skip: process.geteuid?.() !== 0,
}, async (t) => {
  t.after(() => process.seteuid!(0));
  const { path, file } = await keyFile(t);
  await file.add('d');
  const before = await readFile(path);
  await file.revoke('d');
  const revoked = await readFile(path);
  await writeFile(path, before);
  const other = 65_534;
  await chown(dirname(path), other, other);
  await chown(path, other, other);
  process.seteuid!(other);
  // Told of changes, and not looking by itself: a look that is under way as the owner is put right finds either.
  const { ring, lines } = await follow(t, path, 3_600_000);
  // At once, so that nobody looks while this process may read everything.
  process.seteuid!(0);
  writeFileSync(`${path}.new`, revoked, { mode: 0o600 });
  renameSync(`${path}.new`, path);
  process.seteuid!(other);
  const failures = () => lines.filter(({ msg }) => msg.includes('cannot be read'));
  await until(() => failures().length > 0, 'it is said');
  assert.equal((failures()[0] as { code?: string }).code, 'keys-foreign');
  assert(isLive(ring, 'k1'));
  for (let i = 0; i < 3; i += 1) await ring.reload();
  assert.equal(failures().length, 1, 'for the same reason no second time');
  process.seteuid!(0);
  chownSync(path, other, other);
  process.seteuid!(other);
  await until(() => ring.lookup('d', 'k1')?.revoked === true, 'the revocation is in force once the owner is right');
  assert.equal(failures().length, 1);
});

test('keys and a folder that everybody can read are spoken of at the start, and the keys made private', async (t) => {
  const folder = await temporaryFolder(t);
  const { path, file } = await keyFile(t, folder);
  await file.add('d');
  await chmod(folder, 0o755);
  await chmod(path, 0o644);
  const lines: { code?: string; msg: string }[] = [];
  const logger = pino({ level: 'warn' }, { write: (line) => void lines.push(JSON.parse(line)) });
  await (await openData(folder, logger)).close();
  assert.deepEqual(
    lines.map(({ code }) => code),
    ['keys-exposed', 'data-exposed', 'store-new'],
  );
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.equal((await stat(folder)).mode & 0o777, 0o755);
  await chmod(folder, 0o750);
  await (await openData(folder, logger)).close();
  assert.equal(lines.length, 4);
});

test('a folder that is not there is an error of the disk', async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, 'nowhere', 'keys.json');
  const file = createKeyFile({ path, clock: Date.now, randomBytes: (count) => Buffer.alloc(count) });
  await assert.rejects(file.add('d'), { code: 'ENOENT' });
});

test('a file that holds no keys is refused without being quoted', async (t) => {
  const { path, file } = await keyFile(t);
  const credential = `k1.${Buffer.alloc(32, 1).toString('base64url')}`;
  const key = { credential, createdAt: '2024-01-01T00:00:00.000Z', revokedAt: null };
  const wrong = [
    'not json',
    '{"v":2,"devices":{}}',
    JSON.stringify({ v: 1, devices: { 'no id': [key] } }),
    JSON.stringify({ v: 1, devices: { d: [{ ...key, credential: 'k1.abc' }] } }),
    JSON.stringify({ v: 1, devices: { d: [{ ...key, createdAt: 'today' }] } }),
  ];
  for (const text of wrong) {
    await writeFile(path, text);
    await assert.rejects(file.list(), { code: 'keys-unreadable' }, text);
    await assert.rejects(
      watchKeyFile({ path }),
      (error: Error) => !`${error.stack}${error.cause}`.includes(credential),
    );
  }
  await rm(path);
  await mkdir(path);
  await assert.rejects(file.list(), { code: 'keys-unreadable' });
});

test('one flipped bit anywhere in a key file gives no other keys', async (t) => {
  const { path, file } = await keyFile(t);
  for (const device of ['pump-7', 'pump-8']) await file.add(device);
  await file.rotate('pump-7');
  await file.revoke('pump-7', 'k1');
  const keys = await file.list();
  const whole = await readFile(path);
  let unreadable = 0;
  for (let bit = 0; bit < whole.length * 8; bit += 1) {
    const bytes = Buffer.from(whole);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    await writeFile(path, bytes);
    try {
      // Between two words a line's end may have become another blank.
      assert.deepEqual(await file.list(), keys, `bit ${bit}`);
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'keys-unreadable', `bit ${bit}`);
      unreadable += 1;
    }
  }
  assert.ok(unreadable > whole.length * 6);
});

test('a ring follows its file when the file system tells', async (t) => {
  const { path, file } = await keyFile(t);
  const { ring, lines } = await follow(t, path, 60_000);
  assert.equal(ring.lookup('d', 'k1'), undefined);
  await file.add('d');
  await until(() => isLive(ring, 'k1'), 'the new key is there');
  await file.rotate('d');
  await until(() => isLive(ring, 'k2'), 'the second key is there');
  await file.revoke('d', 'k1');
  await until(() => ring.lookup('d', 'k1')?.revoked === true, 'the first key is revoked');
  assert(isLive(ring, 'k2'));
  assert(lines.some(({ msg }) => msg === 'keys changed'));
  assert(!JSON.stringify(lines).includes('AQEB'), 'no secret in the log');
});

test('a ring follows its file by looking', async (t) => {
  const { path, file } = await keyFile(t);
  await file.add('d');
  const { ring } = await follow(t, path, 10);
  await file.revoke('d');
  await until(() => ring.lookup('d', 'k1')?.revoked === true, 'the key is revoked');
});

test('a broken file, or none, leaves the keys as they were', async (t) => {
  const { path, file } = await keyFile(t);
  await file.add('d');
  const { ring, lines } = await follow(t, path, 10);
  await writeFile(path, '{"v":1,');
  await until(() => lines.some(({ msg }) => msg.includes('cannot be read')), 'it is logged');
  assert(isLive(ring, 'k1'));
  await rm(path);
  for (let looks = 0; looks < 2; looks += 1) await ring.reload();
  assert(isLive(ring, 'k1'));
  await file.add('e');
  await until(() => ring.lookup('d', 'k1') === undefined, 'the file is followed again');
  await chmod(path, 0o600);
});

test('keys come back from their file, and a file that is changed holds keys or is unreadable', async (t) => {
  const path = join(await temporaryFolder(t), 'keys.json');
  let bytes = 0;
  const file = createKeyFile({ path, clock: () => NOW, randomBytes: (count) => Buffer.alloc(count, ++bytes) });
  const anyId = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/);
  const seed = seedOf(t);
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(anyId, { minLength: 1, maxLength: 4 }),
      fc.infiniteStream(fc.nat()),
      async (ids, dice) => {
        await rm(path, { force: true });
        const made = new Map<string, unknown>();
        for (const id of ids) made.set(id, [await file.add(id)]);
        assert.deepEqual(await file.list(), made);
        const whole = await readFile(path);
        for (const broken of fc.sample(changed(whole), { seed: dice.next().value, numRuns: 20 })) {
          await writeFile(path, broken);
          const table = await file.list().catch((error: unknown) => error);
          if (table instanceof Map) {
            // What can be read can be changed: nothing in it stops the next key from being written.
            await file
              .add('another:key')
              .catch((error: { code?: string }) => assert.equal(error.code, 'device-exists'));
            assert((await file.list()).size >= table.size);
          } else assert.equal((table as { code?: string }).code, 'keys-unreadable', String(table));
        }
      },
    ),
    { seed, numRuns: 20 },
  );
});
