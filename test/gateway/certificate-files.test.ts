/** A certificate that is renewed while a gateway runs. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rename, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect } from 'node:tls';
import { pino } from 'pino';
import { type Certified, createAuthority } from '../../faults/network/certificates.ts';
import { followCertificate, readIdentity } from '../../src/gateway/certificate-files.ts';
import { openGateway } from '../../src/gateway/gateway.ts';
import { until } from '../until.ts';
import { temporaryFolder } from './gateway-fixture.ts';

const authority = createAuthority('an authority');
const issue = () => authority.issue({ host: 'localhost', from: 0, to: Date.UTC(2100, 0, 1) });

async function certificateFiles(t: TestContext) {
  const folder = await temporaryFolder(t);
  const files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
  const write = async ({ cert, key }: Partial<Certified>) => {
    // Whole at once: a look in between would find an empty one, and say so.
    const put = async (path: string, text: string) => {
      await writeFile(`${path}.new`, text);
      await rename(`${path}.new`, path);
    };
    if (cert !== undefined) await put(files.cert, cert);
    if (key !== undefined) await put(files.key, key);
  };
  return { files, write };
}

test('what is no certificate and its key is refused by its code', async (t) => {
  const { files, write } = await certificateFiles(t);
  await assert.rejects(readIdentity(files), { code: 'tls-unreadable' });
  const [one, other] = [issue(), issue()];
  for (const wrong of [
    { cert: '', key: one.key },
    { cert: one.cert, key: '' },
    { cert: 'no', key: one.key },
    { cert: one.cert, key: 'no' },
    { cert: one.cert, key: other.key },
  ]) {
    await write(wrong);
    await assert.rejects(readIdentity(files), { code: 'tls-invalid' });
  }
  await write(one);
  assert.deepEqual(await readIdentity(files), one);
});

test('new connections are shown the new certificate, and the old one while the new does not fit its key', async (t) => {
  const { files, write } = await certificateFiles(t);
  const [first, second] = [issue(), issue()];
  await write(first);
  const tls = await readIdentity(files);
  const gateway = await openGateway({ data: await temporaryFolder(t), tls });
  t.after(() => gateway.app.close());
  // Both of the servers that Fastify opens for it.
  await gateway.app.listen({ host: 'localhost', port: 0 });
  const shown = () =>
    Promise.all(
      (gateway.app.addresses() as AddressInfo[]).map(async ({ address, port }) => {
        const socket = connect({ host: address, port, ca: authority.cert, servername: 'localhost' });
        await once(socket, 'secureConnect');
        const { raw } = socket.getPeerCertificate();
        socket.destroy();
        return raw.toString('base64');
      }),
    );
  const derOf = ({ cert }: Certified) => cert.replace(/-----[^-]+-----|\s/g, '');
  const isShown = async (certified: Certified) => (await shown()).every((raw) => raw === derOf(certified));
  const lines: { code?: string; msg: string }[] = [];
  const logger = pino({ level: 'info' }, { write: (line) => void lines.push(JSON.parse(line)) });
  const certificate = followCertificate({ files, shown: tls, show: gateway.showCertificate, logger, pollMs: 5 });
  t.after(() => certificate.close());
  assert(await isShown(first));
  await write({ cert: second.cert });
  await certificate.reload();
  await certificate.reload();
  assert(await isShown(first));
  assert.deepEqual(
    lines.map(({ code }) => code),
    ['tls-invalid'],
    'said once',
  );
  await write({ key: second.key });
  // By looking alone.
  await until(() => isShown(second), 'it is shown');
  certificate.close();
  await write(first);
  await certificate.reload();
  assert(await isShown(first), 'at once where it is asked for');
  await write({ cert: second.cert });
  await certificate.reload();
  assert.equal(lines.filter(({ code }) => code === 'tls-invalid').length, 2, 'wrong in the same way, and said again');
});

test('a certificate that devices refuse for its dates, or soon will, is spoken of once a day', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const day = 24 * 3_600_000;
  const now = Date.UTC(2030, 5, 1);
  for (const [from, to, code] of [
    [now - 9 * day, now - day, 'tls-expired'],
    [now + 4 * day, now + 90 * day, 'tls-not-yet'],
    [now - day, now + 13 * day, 'tls-expires'],
    [now - day, now + 15 * day, undefined],
  ] as const) {
    const { files, write } = await certificateFiles(t);
    await write(authority.issue({ host: 'localhost', from, to }));
    const lines: { code?: string; level: number }[] = [];
    const logger = pino({ level: 'info' }, { write: (line) => void lines.push(JSON.parse(line)) });
    let time = now;
    const shown = await readIdentity(files);
    const certificate = followCertificate({ files, shown, show: () => {}, logger, pollMs: 1e6, clock: () => time });
    t.after(() => certificate.close());
    await certificate.reload();
    assert.deepEqual(
      lines.map((line) => [line.code, line.level]),
      code === undefined ? [] : [[code, 40]],
    );
    time += 1.5 * day;
    await certificate.reload();
    assert.equal(lines.length, code === undefined ? 1 : 2, 'a day later');
    time += 1.5 * day;
    // By looking alone, at files that have not changed.
    t.mock.timers.tick(1e6);
    assert.equal(lines.length, code === undefined ? 2 : 3, 'and yet a day later');
    time -= 1.2 * day;
    t.mock.timers.tick(1e6);
    assert.equal(lines.length, code === undefined ? 3 : 4, 'a clock that is set back silences nothing');
  }
});
