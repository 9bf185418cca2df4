/**
 * Leash: ends a program of the demo when the demo is gone, however that came about.
 *
 * Preloaded into every program that the demo starts. Promises to keep no program alive that wants to end.
 */
process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'));
process.channel?.unref();
