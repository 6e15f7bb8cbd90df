/** What a PaymentIntent says of the operations on its money. */
import type Stripe from 'stripe';
import type {
	Finding,
	PaymentAction,
	PaymentOperation,
	PaymentRequest,
	ProviderPayment,
} from '../../../domain/provider.ts';
import { type Instant, SECOND } from '../../../domain/time.ts';
import { fromStripe, toStripe } from './amounts.ts';
import { declineReason } from './declines.ts';
import { HOLDS_FOR } from './traits.ts';

type Intent = Stripe.PaymentIntent;

/** Stripe ended it by itself, because nobody took the money in time. */
const LAPSES: readonly (string | null)[] = ['automatic', 'expired'];

const instant = (seconds: number): Instant => seconds * SECOND;

/** The charge, where the answer was asked to bring it along. */
const chargeOf = ({ latest_charge: charge }: Intent): Stripe.Charge | null =>
	typeof charge === 'string' ? null : charge;

/** What has become of an operation, by the state of its intent now. */
export function findingOf(operation: PaymentOperation, intent: Intent, request: PaymentRequest): Finding {
	return OPERATIONS[operation](intent, request) ?? unknownState(intent);
}

/** States are an open list: a new one says nothing. */
const unknownState = ({ status }: Intent): Finding => ({
	kind: 'unknown',
	reason: `Stripe shows the state ${/^\w{1,60}$/.test(status) ? status : '?'}, which says nothing of this.`,
});

type OfOperation = (intent: Intent, request: PaymentRequest) => Finding | undefined;

const OPERATIONS: Readonly<Record<PaymentOperation, OfOperation>> = {
	authorize: (intent) => {
		const { id: reference, last_payment_error: failure } = intent;
		switch (intent.status) {
			case 'requires_capture':
				return { kind: 'succeeded', reference, captureBefore: captureBeforeOf(intent) };
			case 'succeeded': // taken already: somebody did so at Stripe, or the database is an older copy
				return { kind: 'succeeded', reference };
			case 'requires_action':
				return { kind: 'actionRequired', reference, action: actionOf(intent) };
			case 'processing':
				return { kind: 'pending', reference, reason: 'The bank has not decided yet.' };
			case 'canceled':
				return gone(intent);
			case 'requires_payment_method': {
				if (failure === null) return { kind: 'notDone' };
				const code = failure.decline_code ?? failure.code ?? null;
				return { kind: 'declined', reason: declineReason(code), code };
			}
			case 'requires_confirmation':
				return { kind: 'notDone' };
			default:
				return undefined;
		}
	},
	capture: (intent, request) => {
		switch (intent.status) {
			case 'succeeded':
				if (intent.amount_received === toStripe(request.amount)) return { kind: 'succeeded', reference: intent.id };
				return { kind: 'unknown', reason: 'Another amount than this was taken at Stripe.' };
			case 'requires_capture':
				return { kind: 'notDone' };
			case 'canceled':
				return gone(intent);
			case 'requires_payment_method':
			case 'requires_confirmation':
			case 'requires_action':
				return { kind: 'gone', reason: 'Stripe holds no money for this payment.' };
			case 'processing':
				return { kind: 'pending', reference: intent.id, reason: 'The bank has not decided yet.' };
			default:
				return undefined;
		}
	},
	void: (intent) => {
		switch (intent.status) {
			case 'canceled':
				return LAPSES.includes(intent.cancellation_reason) ? gone(intent) : { kind: 'succeeded', reference: intent.id };
			case 'succeeded':
				return { kind: 'refused', reason: 'The money has been taken already.' };
			case 'requires_capture':
			case 'requires_action':
			case 'requires_confirmation':
			case 'requires_payment_method':
				return { kind: 'notDone' };
			default:
				return undefined;
		}
	},
};

const gone = ({ cancellation_reason: why }: Intent): Finding => ({
	kind: 'gone',
	reason: LAPSES.includes(why) ? 'The hold has ended by itself.' : 'The money was released at Stripe.',
	code: why,
});

/** Where Stripe does not say it, what it promises. */
function captureBeforeOf(intent: Intent): Instant {
	const charge = chargeOf(intent);
	const said = charge?.payment_method_details?.card?.capture_before;
	return said === undefined ? instant(charge?.created ?? intent.created) + HOLDS_FOR : instant(said);
}

function actionOf({ next_action: next, client_secret: clientSecret }: Intent): PaymentAction {
	const url = next?.redirect_to_url?.url ?? null;
	return url === null ? { type: 'client_secret', url, clientSecret } : { type: 'redirect', url, clientSecret: null };
}

/** The order that an intent is for; null if it is not one of ours. */
export const orderOf = ({ metadata }: Intent): string | null => metadata?.order_id ?? null;

/** For reconciliation; needs the charge. */
export function paymentOf(intent: Intent): ProviderPayment {
	const charge = chargeOf(intent);
	const ours = (units: number): bigint => fromStripe(units, intent.currency);
	return {
		orderId: orderOf(intent),
		reference: intent.id,
		createdAt: instant(intent.created),
		currency: intent.currency.toUpperCase(),
		held: ours(intent.amount_capturable),
		captured: ours(intent.amount_received),
		refunded: ours(charge === null ? 0 : refundedOf(charge)),
		waits: ['requires_payment_method', 'requires_confirmation', 'requires_action'].includes(intent.status),
	};
}

/** Stripe also counts as refunded what it held and never took: all of a void, and the rest of a capture of less. */
const refundedOf = ({ amount, amount_captured: captured, amount_refunded: refunded }: Stripe.Charge): number =>
	Math.max(0, refunded - (amount - captured));
