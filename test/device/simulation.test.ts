import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTableBuilder, type TelemetryEvent } from '../../src/codec/index.ts';
import { createSimulation, PROFILES, type SimulationOptions } from '../../src/device/simulation.ts';

const eventsOf = (options: SimulationOptions, count: number): TelemetryEvent[] => {
  const simulation = createSimulation(options);
  return Array.from({ length: count }, (_, i) => simulation.next(i));
};

for (const profile of PROFILES) {
  test(`${profile}: the same seed gives the same events, and every one can be recorded`, () => {
    const events = eventsOf({ profile, sensors: 8, seed: 5 }, 2_000);
    assert.deepEqual(eventsOf({ profile, sensors: 8, seed: 5 }, 2_000), events);
    assert.notDeepEqual(eventsOf({ profile, sensors: 8, seed: 6 }, 2_000), events);
    const builder = createTableBuilder();
    for (const event of events) {
      assert(builder.add(event));
      assert.equal(typeof event.fields['volume'], 'number');
    }
    assert.equal(new Set(events.map(({ sensor }) => sensor)).size, 8);
    assert.deepEqual(
      events.map(({ ts }) => ts),
      events.map((_, i) => i),
    );
  });
}

test('a machine is in all of its states at times', () => {
  const states = new Set(
    eventsOf({ profile: 'machine', sensors: 3, seed: 1 }, 20_000).map(({ fields }) => fields['state']),
  );
  assert.deepEqual([...states].sort(), ['idle', 'overload', 'run']);
});
