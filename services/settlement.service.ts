import type { PaymentCall } from '../domain/commands.ts';
import { calls } from '../mixins/calls/index.ts';
import { delay } from '../mixins/delay/index.ts';
import { inbox } from '../mixins/inbox/index.ts';
import { outbox } from '../mixins/outbox/index.ts';
import { defineService } from '../mixins/service.ts';
import { deciding } from './settlement/deciding.ts';
import { holds } from './settlement/holds.ts';
import { news } from './settlement/news.ts';
import { callProvider, mostCalls, nextCall, toResolve } from './settlement/payment-calls.ts';
import { reconciling } from './settlement/reconciling.ts';
import { sandboxPages } from './settlement/sandbox-pages.ts';
import type { Swept } from './settlement/sweeper.ts';
import { sweeper } from './settlement/sweeping.ts';
import { unfinished } from './settlement/unfinished.ts';
import { GATHER } from './topology.ts';

/** Authorises, confirms when due, captures or voids, gives back; sweeps up orders whose wake-up was lost. */
export default defineService({
	name: 'settlement',
	// The actions `payments.…` are not prefixed with the service's name, so the others say it themselves.
	settings: { $noServiceNamePrefix: true },
	mixins: [
		sweeper(),
		reconciling(),
		deciding(),
		holds(),
		unfinished(),
		sandboxPages(),
		news(),
		// A group of its own, so that a slow provider never delays the end of a window.
		delay('deadlines', { takes: ['OrderDue', 'HoldExpired'], decide: 'wakeUp', concurrency: 3 }),
		inbox('settlement', {
			takes: ['OrderPending', 'OrderConfirmed', 'OrderCancelRequested', 'RefundRequested', 'PaymentDue'],
			decide: 'nextPayment',
			calls: 'payments',
			linger: GATHER,
		}),
		calls('payments', { perform: callProvider, settle: 'paid', most: mostCalls }),
		outbox(),
	],
	actions: {
		'settlement.sweep': {
			visibility: 'public',
			handler(): Promise<Swept> {
				return this.sweeper.sweep();
			},
		},
	},
	methods: {
		wakeUp(order, { type, deliverAt }, moment): void {
			if (type === 'OrderDue') order.wakeAtDue(deliverAt, moment);
			else order.wakeAtHoldLimit(deliverAt, moment);
		},
		/** the next call that the order needs, if any */
		nextPayment(order, _message, moment): PaymentCall | null {
			return nextCall(this.platform, order, moment);
		},
		/** applies the outcome of a call; the next call of that order uses the same slot */
		paid(order, { call, outcome }, moment, afterCommit): PaymentCall | null {
			if (!order.applyPaymentOutcome(call, outcome, moment)) return null;
			if (call.operation === 'void' && outcome.kind === 'refused') {
				const { orderId } = call;
				const what =
					order.record.sweepAt === null
						? `reconciliation looks at it`
						: `it is asked again. Once nothing is held there: ${toResolve(orderId, 'void')}`;
				this.logger.error(`the provider refuses to void order ${orderId} (${outcome.reason}); ${what}`);
			}
			afterCommit(() => this.platform.metrics.paid(call.operation, outcome.kind));
			return nextCall(this.platform, order, moment);
		},
	},
});
