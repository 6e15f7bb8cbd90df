/** A reconciliation that may take long, in steps, so that the person who asked for it sees how far it is. */
import { HOUR } from '../../domain/time.ts';
import type { PaymentDifference, Reconciled } from '../settlement/reconciliation.ts';

const LOOKS_BACK = 25 * HOUR;
/** What one call compares: the payments that were created in so long. */
const STEP = 6 * HOUR;

export interface Asked {
	/** RFC 3339; 25 h ago unless given */
	readonly since?: string;
	/** RFC 3339; now unless given */
	readonly until?: string;
	readonly dryRun: boolean;
}

type Call = <T>(action: string, params?: object) => Promise<T>;
type Total = Omit<Reconciled, 'more'>;

/** Calls `settlement.reconcile` for one step after the other, from the newest to the oldest. */
export async function reconcileInSteps(call: Call, asked: Asked, say: (line: string) => void): Promise<Total> {
	const until = asked.until === undefined ? Date.now() : Date.parse(asked.until);
	const since = asked.since === undefined ? until - LOOKS_BACK : Date.parse(asked.since);
	if (!(since < until)) throw new Error('the time must be one such as 2026-01-31T12:00:00Z, before its end');
	const total = { checked: 0, voided: 0, refunded: 0 };
	const differences: PaymentDifference[] = [];
	for (let end = until; end > since; end -= STEP) {
		const step = { since: iso(Math.max(since, end - STEP)), until: iso(end), dryRun: asked.dryRun };
		const found = await call<Reconciled>('settlement.reconcile', step);
		for (const name of ['checked', 'voided', 'refunded'] as const) total[name] += found[name];
		differences.push(...found.differences);
		say(`${step.since}: ${total.checked} payments compared, ${differences.length} differences`);
	}
	return { ...total, differences };
}

const iso = (moment: number): string => new Date(moment).toISOString();
