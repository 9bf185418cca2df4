/**
 * Failpoints: the named steps of an event's way at which a process can be made to die.
 *
 * Owns the mark in the source, a comment that is nothing in normal use, and the call that the campaigns' build makes of
 * it. Promises that a mark which no build would find is an error. Never kills anything itself: `failpoint-trap.mjs`
 * does.
 */

/** Stands on a line of its own: `// failpoint: append-committed`. */
const MARK = /^([ \t]*)\/\/ failpoint: ([a-z][a-z0-9-]*)$/gm;

export function armFailpoints(source: string): string {
  return source.replace(
    MARK,
    (_line, indent: string, name: string) => `${indent}globalThis.reachFailpoint?.('${name}');`,
  );
}

/** The names in a source text, in their order. */
export function failpointsIn(source: string): string[] {
  return [...source.matchAll(MARK)].map(([, , name]) => name!);
}

/** Flags and environment under which a program dies by SIGKILL when it reaches the failpoint for the `count`th time. */
export function trapAt(name: string, count: number): { nodeFlags: string[]; env: Record<string, string> } {
  const trap = new URL('./failpoint-trap.mjs', import.meta.url).href;
  return { nodeFlags: ['--import', trap], env: { FAILPOINT: `${name}:${count}` } };
}
