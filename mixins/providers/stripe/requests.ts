/**
 * The requests to Stripe, made of stored facts alone. Stripe compares the parameters of a repetition with those of the
 * first request under its key and refuses what differs. So a request is never changed: the next form gets the next
 * version, and the forms of orders that are still under way stay.
 */
import type Stripe from 'stripe';
import type { PaymentRequest } from '../../../domain/provider.ts';
import { toStripe } from './amounts.ts';

export interface Requests {
	readonly apiVersion: string;
	authorize(request: PaymentRequest): Stripe.PaymentIntentCreateParams;
	capture(request: PaymentRequest): Stripe.PaymentIntentCaptureParams;
	void(request: PaymentRequest): Stripe.PaymentIntentCancelParams;
	refund(request: PaymentRequest): Stripe.RefundCreateParams;
}

/** The form of requests that are made from now on. */
export const REQUEST_VERSION = 1;

const VERSIONS: Readonly<Record<number, Requests>> = {
	1: {
		apiVersion: '2026-10-28.endive',
		// No off_session: the buyer is there. No return_url: the page of the shop asks Stripe.js to show what the bank wants.
		authorize: ({ amount, orderId, paymentMethod }) => ({
			amount: toStripe(amount),
			currency: amount.currency.toLowerCase(),
			payment_method: paymentMethod,
			allowed_payment_method_types: ['card'],
			capture_method: 'manual',
			confirm: true,
			metadata: { order_id: orderId },
			expand: ['latest_charge'],
		}),
		capture: ({ amount }) => ({ amount_to_capture: toStripe(amount) }),
		void: () => ({}),
		refund: ({ amount, orderId, reference, refund }) => {
			if (reference === null || refund === null) throw new Error('A refund needs the payment that it is of.');
			const metadata = { order_id: orderId, refund_id: refund.id };
			return { payment_intent: reference, amount: toStripe(amount), metadata };
		},
	},
};

/** Throws for a version that only a later release knows; that release will make the call. */
export function requestsOf(version: number): Requests {
	const requests = VERSIONS[version];
	if (requests === undefined) throw new Error(`Requests of version ${version} are not known to this release.`);
	return requests;
}
