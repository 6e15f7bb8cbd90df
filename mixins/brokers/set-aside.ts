import type { Log } from '../runtime/index.ts';
import type { OnDeadLetter } from './carrier.ts';

/** So much of a reason goes into a line of the log. */
const LONGEST_REASON = 1_000;

/** Tells of a message that lies among the dead letters now: `what` names it to the operator. */
export type SetAside = (group: string, what: string, reason: string) => void;

export const settingAside =
	(log: Log, onDeadLetter: OnDeadLetter = () => {}): SetAside =>
	(group, what, reason) => {
		log.error(`dead letter for ${group}: ${what}: ${reason.slice(0, LONGEST_REASON)}`);
		onDeadLetter(group, reason);
	};
