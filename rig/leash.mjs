/**
 * Leash: ends a program of ours when whoever started it is gone, however that came about.
 *
 * Preloaded into every program that demo, bench and fault campaigns start. Promises to keep no program alive that wants
 * to end.
 */
process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'));
process.channel?.unref();
