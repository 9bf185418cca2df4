/**
 * FailpointTrap: ends the process it is preloaded into by SIGKILL, at the failpoint and the count that `FAILPOINT`
 * names.
 */
const [, name, count] = /^([a-z0-9-]+):(\d+)$/.exec(process.env.FAILPOINT ?? '') ?? [];
let left = Number(count);

globalThis.reachFailpoint = (reached) => {
  if (reached === name && --left === 0) process.kill(process.pid, 'SIGKILL');
};
