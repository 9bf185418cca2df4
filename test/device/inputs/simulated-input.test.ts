import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TelemetryEvent } from '../../../src/codec/index.ts';
import { SimulatedInput } from '../../../src/device/inputs/index.ts';
import { createSimulation } from '../../../src/device/simulation.ts';

const simulation = () => createSimulation({ profile: 'flow', sensors: 3, seed: 1 });

async function eventsOf(rate: number, eventsMax: number): Promise<TelemetryEvent[]> {
  const events: TelemetryEvent[] = [];
  const input = new SimulatedInput({ simulation: simulation(), rate, eventsMax });
  for await (const chunk of input.chunks(new AbortController().signal)) events.push(...chunk.events);
  return events;
}

test('a simulation ends with its count, as fast as it is taken', async () => {
  assert.equal((await eventsOf(0, 10_000)).length, 10_000);
});

test('or at its rate, with times that are spaced by it', async () => {
  const begun = performance.now();
  const events = await eventsOf(2_000, 200);
  assert.equal(events.length, 200);
  assert(performance.now() - begun >= 99, 'not faster');
  assert(events.at(-1)!.ts - events[0]!.ts >= 50);
});

test('without a count it ends when it is told to', async () => {
  const stop = new AbortController();
  const input = new SimulatedInput({ simulation: simulation(), rate: 1, eventsMax: Number.POSITIVE_INFINITY });
  assert(input.isEndless);
  const next = input.chunks(stop.signal).next();
  stop.abort();
  assert.equal((await next).done, true);
});
