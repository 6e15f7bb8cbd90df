/** Every transaction of the system, by name: each commit is a boundary at which a test can stop the process dead. */
const TRANSACTIONS = [
	'orders.create',
	'orders.change',
	'orders.refund',
	'outbox.forward',
	'outbox.lease',
	'outbox.sent',
	'outbox.postpone',
	'carrier.publish',
	'carrier.deliver',
	'deadlines.handle',
	'settlement.handle',
	'settlement.outcome',
	'settlement.sweep',
	'shipping.handle',
	'shipping.outcome',
	'webhooks.handle',
	'webhooks.claim',
	'webhooks.outcome',
	'webhooks.look',
	'webhooks.change',
	'sandbox.journal',
	'parcels.journal',
] as const;

/** A transaction has one of these names; those of an inbox and of calls are named after their group and their service. */
export type TransactionName = (typeof TRANSACTIONS)[number] | `${string}.handle` | `${string}.outcome`;

/** The boundaries that are no transaction: a call that leaves the process, a message that is given to the carrier. */
const BOUNDARIES = ['provider.call', 'parcel.call', 'webhook.call', 'outbox.publish'] as const;

export type CrashPoint = `${'before' | 'after'}:${TransactionName | (typeof BOUNDARIES)[number]}`;

/** Every named point, in no particular order. */
export const CRASH_POINTS: readonly CrashPoint[] = [...TRANSACTIONS, ...BOUNDARIES].flatMap((name): CrashPoint[] => [
	`before:${name}`,
	`after:${name}`,
]);

/** `CRASH_AT=before:orders.create` or, to die at the third pass only, `CRASH_AT=before:orders.create#3`. For tests. */
const [armed, pass = '1'] = (process.env.CRASH_AT ?? '').split('#');
let passesLeft = Number(pass);

/** Ends the process here, without any clean-up, if a test asked for it; otherwise does nothing. */
export function crashPoint(point: CrashPoint): void {
	if (point !== armed) return;
	passesLeft -= 1;
	if (passesLeft === 0) process.kill(process.pid, 'SIGKILL');
}
