import type { Clock } from '../../mixins/database/clock.ts';

/** The clock of a database that runs on this machine. */
export const machineClock: Clock = { isRead: true, now: () => Date.now() };
