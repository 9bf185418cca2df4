/** Waiting for something to come true, with an end: what never comes true is a red test and no hang. */
import { setTimeout as delay } from 'node:timers/promises';

/** Far beyond what any of our tests waits for on a busy machine. */
const PATIENCE_MS = 60_000;

/** How many turns of the event loop are looked at one by one, before there is a little time between looks. */
const TURNS = 1_000;

/** Resolves once it holds; rejects, naming what was waited for, where it does not within a minute. */
export async function until(holds: () => boolean | Promise<boolean>, what?: string): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  for (let looks = 1; !(await holds()); looks++) {
    if (Date.now() > end) throw new Error(`never came true: ${what ?? holds.toString()}`);
    await (looks < TURNS ? new Promise((resolve) => setImmediate(resolve)) : delay(2));
  }
}

/** Lets so many turns of the event loop pass, in which all happens that waits for nothing outside of it. */
export async function turns(count = 50): Promise<void> {
  for (let i = 0; i < count; i += 1) await new Promise((resolve) => setImmediate(resolve));
}
