/** Lanes: many pieces of work, so many of them at a time, begun in order. */

/** Does it for 0 … `count` - 1. */
export async function inLanes(count: number, lanes: number, work: (at: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}
