/** Stripe's webhooks: https://docs.stripe.com/webhooks */
import Stripe from 'stripe';
import { type Instant, SECOND } from '../../../domain/time.ts';
import { isUuid } from '../../runtime/index.ts';
import { Forged, type NewsReader, type ProviderNews } from '../news.ts';

/** How old a signature may be, and how far in the future, in seconds. */
const TOLERANCE = 300;

/**
 * Which events tell us something that we would not hear soon by our own calls. Of a payment that was captured, or that
 * now waits for the buyer, the answer to our call has told us already.
 */
const ABOUT: Readonly<Record<string, ProviderNews['about']>> = {
	'payment_intent.amount_capturable_updated': 'authorization',
	'payment_intent.payment_failed': 'authorization',
	'payment_intent.canceled': 'hold',
	'charge.expired': 'hold',
	'charge.refunded': 'refund',
	'charge.refund.updated': 'refund',
	'refund.created': 'refund',
	'refund.updated': 'refund',
	'refund.failed': 'refund',
};

/** Of a refund that may have succeeded before: it is named. */
const CHANGES_REFUND: readonly string[] = ['charge.refund.updated', 'refund.updated', 'refund.failed'];

/** Checks signatures, and takes nothing but names from what is signed: its shape is that of the endpoint's API version. */
export class StripeNews implements NewsReader {
	readonly #secrets: readonly string[];

	/** Any of these secrets will do: while one is rotated, there are two. */
	constructor(secrets: readonly string[]) {
		this.#secrets = secrets;
	}

	read(body: Uint8Array, signature: string | undefined, now: Instant): ProviderNews {
		if (signature === undefined) throw new Forged('The header Stripe-Signature is missing.');
		// Stripe's library lets any time in the future pass.
		const latest = now / SECOND + TOLERANCE;
		if (signature.split(',').some((part) => part.startsWith('t=') && !(Number(part.slice(2)) <= latest))) {
			throw new Forged('The time of the signature is none, or lies in the future.');
		}
		for (const secret of this.#secrets) {
			const event = signedBy(secret, body, signature, now);
			if (event !== undefined) return newsOf(event);
		}
		throw new Forged('No signature for one of the secrets of this endpoint, or none of the last five minutes.');
	}
}

/** Not every bad signature is one kind of error, so each is taken for one. */
function signedBy(secret: string, body: Uint8Array, signature: string, now: Instant): unknown {
	try {
		return Stripe.webhooks.constructEvent(Buffer.from(body), signature, secret, TOLERANCE, undefined, now);
	} catch {
		return undefined;
	}
}

function newsOf(event: unknown): ProviderNews {
	const { id, type, livemode, data } = record(event);
	if (typeof id !== 'string' || !/^evt_\w{1,250}$/.test(id) || typeof type !== 'string') {
		throw new Forged('What is signed is not an event of Stripe.');
	}
	const object = record(record(data).object);
	// Of a payment itself, or of something that belongs to one.
	const payment = type.startsWith('payment_intent.') ? object.id : object.payment_intent;
	const { order_id: orderId } = record(object.metadata);
	const refund = CHANGES_REFUND.includes(type) ? object.id : null;
	return {
		id,
		isLive: livemode === true,
		about: (Object.hasOwn(ABOUT, type) ? ABOUT[type] : null) ?? null,
		reference: typeof payment === 'string' && /^pi_\w{1,250}$/.test(payment) ? payment : null,
		orderId: isUuid(orderId) ? orderId : null,
		refund: typeof refund === 'string' && /^\w{1,255}$/.test(refund) ? refund : null,
	};
}

const record = (value: unknown): Readonly<Record<string, unknown>> =>
	typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
