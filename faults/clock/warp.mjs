/**
 * Warp: a wrong clock for the process that this is preloaded into.
 *
 * `CLOCK_SETTINGS` is a JSON array of `{ offsetMs, isFrozen }`; the first holds from the beginning, and each SIGUSR2
 * goes on to the next and says so on standard error. With `CLOCK_SCOPE=process` it is the clock of the whole process;
 * else only of whoever asks for `warpedClock`. What needs no clock, such as a timer, is left alone.
 */
const RealDate = Date;
const settings = JSON.parse(process.env.CLOCK_SETTINGS ?? '[]');
let at = 0;
let frozenAt;

function now() {
  return frozenAt ?? RealDate.now() + settings[at].offsetMs;
}

function set(next) {
  at = next;
  frozenAt = undefined;
  if (settings[at].isFrozen) frozenAt = now();
}

set(0);
globalThis.warpedClock = now;
if (process.env.CLOCK_SCOPE === 'process') {
  globalThis.Date = new Proxy(RealDate, {
    apply: () => new RealDate(now()).toString(),
    construct: (target, parts) => Reflect.construct(target, parts.length === 0 ? [now()] : parts),
    get: (target, name) => (name === 'now' ? now : Reflect.get(target, name)),
  });
}
process.on('SIGUSR2', () => {
  set(Math.min(at + 1, settings.length - 1));
  process.stderr.write(`${JSON.stringify({ clock: at })}\n`);
});
