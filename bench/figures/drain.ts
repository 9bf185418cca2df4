/**
 * Figure: end to end. A device process delivers a backlog to a gateway process.
 *
 * Owns the whole way of an event, from one disk to the other, and the memory that both take on it. Promises that
 * device, gateway and what was generated agree to the last digit.
 */
import { storedBacklog } from '../backlog.ts';
import { drain } from '../drain.ts';
import { bytesPerEvent, eventsPerSecond, type Figure, megabytes } from '../harness.ts';

export const figure: Figure = {
  title: 'end to end, device process → gateway process',
  async measure(stand) {
    const events = stand.events(stand.settings.backlogEvents);
    const backlog = await storedBacklog(stand, events);
    stand.state('events of the backlog', { value: events, unit: 'events' });
    // No warm-up: every run has new processes on both sides.
    await stand.repeat({ warmUps: 0, runs: 3 }, async (run) => {
      const { elapsedMs, status, ...used } = await drain(stand, backlog, `run-${run}`);
      return {
        'backlog on disk → acknowledged': eventsPerSecond(events, elapsedMs),
        'peak memory of the device': megabytes(used.peakMemoryBytes),
        'peak memory of the gateway': megabytes(used.gatewayPeakMemoryBytes),
        'CPU time of the device': used.deviceCpuTime,
        'CPU time of the gateway': used.gatewayCpuTime,
        'request bodies': bytesPerEvent(status.session.bodyBytes, events),
      };
    });
  },
};
