/** Who waits for an answer while others are worked on, and what is done for those who are gone: nothing. */
import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import Fastify from 'fastify';
import { sendProblem } from '../../src/gateway/answers.ts';
import { type AnswerKind, createReadDesk, type Parts, type ReadDeskOptions } from '../../src/gateway/read-desk.ts';
import type { Turns } from '../../src/store/index.ts';
import { until } from '../until.ts';
import { say } from './gateway-fixture.ts';

const kinds: Partial<Record<string, AnswerKind>> = { '/brief': 'brief', '/chart': 'chart' };

/** A desk, and answers by their path, which may be the name of a kind. */
async function testDesk(
  t: TestContext,
  options: Partial<ReadDeskOptions>,
  answers: Record<string, (turns: Turns) => Parts | Promise<Parts>>,
) {
  const app = Fastify();
  app.setErrorHandler((error, request, reply) => void sendProblem(request, reply, error));
  const desk = createReadDesk({ openMax: 100, ...options });
  let asked = 0;
  let closed = 0;
  for (const [path, parts] of Object.entries(answers)) {
    app.get(path, (_request, reply) => {
      asked += 1;
      reply.raw.once('close', () => {
        closed += 1;
      });
      return desk.send(reply, 'text/plain', parts, kinds[path] ?? 'long');
    });
  }
  t.after(() => {
    app.server.closeAllConnections();
    return app.close();
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const [{ port }] = app.addresses() as [AddressInfo];
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    /** Asks, and hangs up once `when` has come true; resolves when the gateway has seen it. */
    async hangUp(path: string, when: () => boolean): Promise<void> {
      const before = asked;
      const request = http.get(`${url}${path}`, { agent: false });
      request.on('error', () => {});
      await until(() => asked > before && when(), `${path} is worked on`);
      const closedBefore = closed;
      request.destroy();
      await until(() => closed > closedBefore, 'it is gone');
    },
  };
}

test('as many answers are worked on at once as may be, and no more, however many wait', async (t) => {
  for (const workingMax of [1, 3]) {
    let working = 0;
    let most = 0;
    const answers = {
      '/': async function* () {
        for (let part = 0; part < 20; part += 1) {
          working += 1;
          most = Math.max(most, working);
          for (let i = 0; i < 3; i += 1) await nextTurn();
          working -= 1;
          // A chunk of its own, behind which the place is handed on.
          yield 'x'.repeat(40_000);
        }
      },
    };
    const { url } = await testDesk(t, { workingMax }, answers);
    const said = await Promise.all(Array.from({ length: 8 }, () => say(`${url}/`)));
    for (const { status, body } of said) assert.deepEqual([status, body.length], [200, 20 * 40_000]);
    assert.equal(most, workingMax);
  }
});

test('however much long answers take, brief ones have places, and are worked on beside them', async (t) => {
  let begun = 0;
  let finish!: () => void;
  const finished = new Promise<void>((resolve) => (finish = resolve));
  const slow = async () => {
    begun += 1;
    await finished;
  };
  const answers = {
    '/long': async function* () {
      await slow();
      yield 'long';
    },
    '/chart': async () => {
      await slow();
      return ['chart'];
    },
    '/brief': () => ['brief'],
  };
  const { url } = await testDesk(t, { openMax: 5, chartsMax: 4, longMax: 3, workingMax: 2 }, answers);
  const ask = async (path: string) => (await say(`${url}${path}`)).status;
  const long = [1, 2, 3, 4].map(() => ask('/long'));
  assert.equal(await Promise.race(long), 503, 'there are three places for long ones');
  const charts = [1, 2].map(() => ask('/chart'));
  assert.equal(await Promise.race(charts), 503, 'and one more for a chart');
  await until(() => begun === 3, 'two of the long ones are worked on, and the chart');
  for (let i = 0; i < 3; i += 1) assert.equal(await ask('/brief'), 200);
  assert.equal(begun, 3);
  finish();
  assert.deepEqual(
    [(await Promise.all(long)).sort(), (await Promise.all(charts)).sort()],
    [
      [200, 200, 200, 503],
      [200, 503],
    ],
  );
});

/** So much is done where nobody notices that the client is gone. */
const ENOUGH = 100_000;

test('an answer whose client is gone ends, though it looks on and on, or tells nothing', async (t) => {
  const ended: string[] = [];
  let looks = 0;
  let parts = 0;
  const { url, hangUp } = await testDesk(
    t,
    { workingMax: 1 },
    {
      '/looks': async function* (turns) {
        try {
          for (; looks < ENOUGH; looks += 1) await turns.next();
          yield 'found';
        } finally {
          ended.push('looks');
        }
      },
      '/nothing': async function* () {
        try {
          for (; parts < ENOUGH; parts += 1) {
            await nextTurn();
            yield '';
          }
        } finally {
          ended.push('nothing');
        }
      },
      '/short': () => ['short'],
    },
  );
  await hangUp('/looks', () => looks > 3);
  assert.equal((await say(`${url}/short`)).body.toString(), 'short');
  await hangUp('/nothing', () => parts > 3);
  assert.equal((await say(`${url}/short`)).body.toString(), 'short');
  assert.deepEqual(ended, ['looks', 'nothing']);
  assert(looks < ENOUGH && parts < ENOUGH, `${looks} looks and ${parts} parts`);
});

test('who waits for others and hangs up is not worked on when it would be the turn', async (t) => {
  let letGo!: () => void;
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  let isHeld = false;
  let worked = 0;
  const { url, hangUp } = await testDesk(
    t,
    { workingMax: 1 },
    {
      '/held': async function* () {
        isHeld = true;
        await held;
        yield 'held';
      },
      '/waits': function* () {
        worked += 1;
        yield 'x';
      },
      '/short': () => ['short'],
    },
  );
  const first = say(`${url}/held`);
  await until(() => isHeld, 'one is worked on');
  for (let i = 0; i < 3; i += 1) await hangUp('/waits', () => true);
  letGo();
  assert.equal((await first).body.toString(), 'held');
  assert.equal((await say(`${url}/short`)).body.toString(), 'short');
  assert.equal(worked, 0);
});
