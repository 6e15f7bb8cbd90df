import type { PaymentCall } from '../../domain/commands.ts';
import type { ProviderOutcome } from '../../domain/payment.ts';
import type { PaymentProvider, PaymentRequest } from '../../domain/ports.ts';
import { Calls, type Done, NOT_BEGUN } from '../../mixins/calls/index.ts';
import { isTransient } from '../../mixins/database/index.ts';
import { UnitOfWork } from '../../mixins/outbox/index.ts';
import type { Platform } from '../../mixins/platform.ts';
import { bisect, crashPoint, type Log, tell } from '../../mixins/runtime/index.ts';

/** The most provider calls at once in one process. */
const SLOTS = 500;

export type PaymentCalls = Calls<PaymentCall, ProviderOutcome>;

/** Calls to the payment provider, and the storing of what became of them. */
export function paymentCalls(platform: Platform, log: Log): PaymentCalls {
	const { database, metrics, provider, settings, stored } = platform;
	return new Calls<PaymentCall, ProviderOutcome>({
		slots: SLOTS,
		timeout: settings.providerTimeout,
		perform: (call, isInTime, signal) => perform(provider, call, isInTime, signal, log),
		unknown: (reason) => ({ kind: 'unknown', reason }),
		store: (done) => storeApart(done),
		log,
	});

	async function storeApart(
		done: readonly Done<PaymentCall, ProviderOutcome>[],
	): Promise<readonly (PaymentCall | null)[]> {
		const next = new Map<string, PaymentCall>();
		await bisect(
			done,
			async (group) => {
				for (const call of await store(group)) next.set(call.orderId, call);
			},
			({ call }, error) => tell(log, 'error', `the outcome of ${call.operation} ${call.orderId} was not stored`, error),
			isTransient,
		);
		return done.map(({ call }) => {
			const following = next.get(call.orderId) ?? null;
			next.delete(call.orderId);
			return following;
		});
	}

	/** Stores outcomes, and starts in the same transaction what each order's state asks for now. */
	function store(group: readonly Done<PaymentCall, ProviderOutcome>[]): Promise<PaymentCall[]> {
		let tries = 0;
		return database.transaction('settlement.outcome', async (tx) => {
			const work = new UnitOfWork(tx, stored);
			tries += 1;
			const ids = group.map(({ call }) => call.orderId);
			const { orders, busy } = await work.lockSoon(ids, tries === 1);
			for (const id of busy) log.warn(`an outcome of order ${id} is forgotten, and asked for again: somebody holds it`);
			const calls: PaymentCall[] = [];
			for (const { call, outcome } of group) {
				const order = orders.get(call.orderId);
				if (order === undefined) continue;
				const counted = order.applyPaymentOutcome(call.operation, call.attempt, outcome, work.moment);
				if (counted) {
					warnOfRefusal(call, outcome, log);
					tx.afterCommit(() => metrics.paid(call.operation, outcome.kind));
				}
				// The slot of the call that has ended serves for the next one of that order.
				const next = counted ? order.beginPayment(work.moment, settings.providerTimeout) : null;
				if (next !== null) calls.push(next);
			}
			work.save();
			return calls;
		});
	}
}

function warnOfRefusal({ operation, orderId }: PaymentCall, outcome: ProviderOutcome, log: Log): void {
	if (operation === 'void' && outcome.kind === 'refused') {
		log.error(`the provider refuses to void order ${orderId} (${outcome.reason}); it is asked again`);
	}
}

async function perform(
	provider: PaymentProvider,
	call: PaymentCall,
	isInTime: () => boolean,
	signal: AbortSignal,
	log: Log,
): Promise<ProviderOutcome> {
	const request: PaymentRequest = {
		orderId: call.orderId,
		idempotencyKey: `${call.orderId}:${call.operation}`,
		amount: call.amount,
		paymentMethod: call.paymentMethod,
		reference: call.reference,
	};
	if (call.keyAged) {
		const found = await provider.find(call.operation, request, signal);
		if (found !== undefined) return found;
		if (call.operation === 'authorize') {
			log.error(
				`order ${call.orderId}: the provider knows nothing of an authorisation asked for long ago; a person must decide`,
			);
			return { kind: 'unknown', reason: 'not found at the provider under a key that has aged' };
		}
	}
	// The answer to that question may have taken long: by now another process may be making the call.
	if (call.keyAged && !isInTime()) return { kind: 'unknown', reason: NOT_BEGUN };
	crashPoint('before:provider.call');
	const outcome = await provider[call.operation](request, signal);
	crashPoint('after:provider.call');
	return outcome;
}
