const SENSORS = ['inlet', 'outlet', 'tank-3', 'ünïcode ✓'];
const STATES = ['open', 'closed', '', 'fault: E17'];
/** Event times lie within this of `around`, milliseconds: enough for several pages of minutes. */
const SPREAD_MS = 12 * 3_600_000;
/** Gives one attempt after the other, without end. */
export function* telemetry({ random, serial, around }) {
  const pick = (values) => values[Math.floor(random() * values.length)];
  let ts = around;
  for (let next = serial; ; next++) {
    ts = random() < 0.02 ? around + Math.floor((random() - 0.5) * SPREAD_MS) : ts + Math.floor(random() * 2_000);
    const measures = { serial: String(next), volume: numberText(random) };
    if (random() < 0.5) measures['temperature'] = numberText(random);
    const notes = {};
    if (random() < 0.2) notes['state'] = pick(STATES);
    if (random() < 0.1) notes['pumping'] = random() < 0.5;
    yield { kind: 'attempt', serial: next, ts, sensor: pick(SENSORS), measures, notes };
  }
}
/** Mostly what meters say; now and then what arithmetic leaves behind, or the ends of what a double holds. */
function numberText(random) {
  const kind = random();
  if (kind < 0.6) return shortest(Math.round(random() * 100_000) / 1_000);
  if (kind < 0.8) return shortest(Math.floor(random() * 1_000));
  if (kind < 0.95) return shortest((random() - 0.5) * 1_000);
  return shortest((random() - 0.5) * 10 ** Math.floor(random() * 40 - 20));
}
/** The text of a double that every reader agrees on. */
function shortest(value) {
  return String(Object.is(value, -0) ? 0 : value);
}
