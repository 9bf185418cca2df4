/**
 * What work costs, measured so that it says the same on any machine: in processor time, which other programs do not
 * stretch, and against a piece of work that was done in the same run.
 */

/** Milliseconds of processor time that this process takes for it, threads included. */
export function cpuMs(work: () => unknown): number {
  const before = process.cpuUsage();
  work();
  return since(before);
}

/** The same of work that is waited for. */
export async function cpuMsUntil(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  return since(before);
}

function since(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

/** A tenth of a second or two of a usual machine: texts made, read and put in order. */
const PIECES = 40_000;

/** What the same piece of work costs here and now, milliseconds of processor time. */
export function yardstickMs(): number {
  return cpuMs(() => {
    const rows = Array.from({ length: PIECES }, (_, i) => ({ at: (i * 7_919) % PIECES, text: `row ${i}` }));
    const read = JSON.parse(JSON.stringify(rows)) as typeof rows;
    read.sort((a, b) => a.at - b.at);
  });
}
