/** Objects as Stripe's API shows them. */
import { type Account, type Charge, type Intent, type RefundRow, seconds } from './account.ts';

const nextAction = (account: Account, { id, status, returnUrl }: Intent) => {
	if (status !== 'requires_action') return null;
	if (returnUrl === null) return { type: 'use_stripe_sdk', use_stripe_sdk: { type: 'three_d_secure_redirect' } };
	const url = `${account.hooksUrl}/redirect/authenticate/${id}`;
	return { type: 'redirect_to_url', redirect_to_url: { url, return_url: returnUrl } };
};

export function showCharge(account: Account, intent: Intent, charge: Charge) {
	const card = { brand: 'visa', capture_before: seconds(charge.captureBefore) };
	// Stripe books as given back what it held and did not take: all of a void, the rest of a capture of less.
	const rest = charge.released || charge.captured > 0 ? charge.amount - charge.captured : 0;
	const back = charge.refunded + rest;
	return {
		...{ id: charge.id, object: 'charge', amount: charge.amount, amount_captured: charge.captured },
		...{ amount_refunded: back, refunded: back === charge.amount },
		...{ captured: charge.captured > 0, paid: true, status: 'succeeded', disputed: false },
		...{ created: seconds(charge.createdAt), currency: intent.currency, livemode: account.livemode },
		...{ metadata: intent.metadata, payment_intent: intent.id, payment_method: intent.paymentMethod },
		...{ payment_method_details: { type: 'card', card }, failure_code: null, failure_message: null },
	};
}

export function showIntent(account: Account, intent: Intent, expand: readonly string[] = []) {
	const { id, status, amount, charge } = intent;
	const shownCharge = charge && (expand.includes('latest_charge') ? showCharge(account, intent, charge) : charge.id);
	return {
		...{ id, object: 'payment_intent', amount, amount_received: charge?.captured ?? 0 },
		amount_capturable: status === 'requires_capture' ? amount : 0,
		...{ canceled_at: intent.canceledAt && seconds(intent.canceledAt), cancellation_reason: intent.cancellationReason },
		...{ capture_method: 'manual', client_secret: intent.clientSecret, confirmation_method: 'automatic' },
		...{
			created: seconds(intent.createdAt),
			currency: intent.currency,
			customer: null,
			description: intent.description,
		},
		...{ last_payment_error: intent.lastError && { type: 'card_error', ...intent.lastError } },
		...{ latest_charge: shownCharge, livemode: account.livemode, metadata: intent.metadata },
		...{ next_action: nextAction(account, intent), processing: null, status },
		payment_method: status === 'requires_payment_method' ? null : intent.paymentMethod,
		...{ allowed_payment_method_types: intent.allowedTypes, payment_method_types: ['card'] },
	};
}

export function showRefund({ id, amount, intent, metadata, reason, status, failureReason, createdAt }: RefundRow) {
	return {
		...{ id, object: 'refund', amount, currency: intent.currency, charge: intent.charge?.id ?? null },
		...{ payment_intent: intent.id, created: seconds(createdAt), metadata, reason, status },
		...(failureReason === null ? {} : { failure_reason: failureReason }),
		...(status === 'pending' ? { pending_reason: 'processing' } : {}),
	};
}
