/** Words: what each wrong clock is called in the table. */
import { CLOCKS, type ClockName, GATEWAY_CLOCKS, type GatewayClockName } from './settings.ts';

export type ClockFault = `device ${ClockName}` | `gateway ${GatewayClockName}` | 'forged';

const NAMES: Readonly<Record<ClockName, string>> = {
  right: 'set right again',
  'at 1970': 'begins again at 1970',
  'before 1970': 'before 1970',
  'decades behind': 'decades behind',
  'decades ahead': 'decades ahead, at 2099 and later',
  frozen: 'stands still',
  'minutes back': 'set back by up to 10 minutes',
  'minutes ahead': 'set ahead by up to 10 minutes',
  'hours back': 'set back by hours',
  'hours ahead': 'set ahead by hours',
};

/** In the order in which they are shown. */
export const CLOCK_FAULTS: readonly ClockFault[] = [
  ...CLOCKS.map((name) => `device ${name}` as const),
  ...GATEWAY_CLOCKS.map((name) => `gateway ${name}` as const),
  'forged',
];

export function wordOf(fault: ClockFault): string {
  if (fault === 'forged') return 'clock in a forged answer';
  const [whose] = fault.split(' ', 1);
  return `${whose}’s clock: ${NAMES[fault.slice(whose!.length + 1) as ClockName]}`;
}
