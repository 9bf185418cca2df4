/**
 * Leash: ends a program of the bench when whoever started it is gone, however that came about.
 *
 * Preloaded into every program that the bench starts. Promises to keep no program alive that wants to end.
 */
process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'));
process.channel?.unref();
