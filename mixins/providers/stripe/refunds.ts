import type Stripe from 'stripe';
import type { Finding } from '../../../domain/provider.ts';

/** What has become of a refund. Those by card succeed at once as a rule; one can fail later, even then. */
export function findingOfRefund({ id: reference, status, failure_reason }: Stripe.Refund): Finding {
	const code = failure_reason ?? null;
	switch (status) {
		case 'succeeded':
			return { kind: 'succeeded', reference };
		case 'pending':
		case 'requires_action':
			return { kind: 'pending', reference, reason: 'The refund is under way.' };
		case 'failed':
			return { kind: 'declined', reason: 'The bank did not take the refund.', code };
		case 'canceled':
			return { kind: 'declined', reason: 'The refund was cancelled at Stripe.', code };
		default:
			return { kind: 'unknown', reason: 'Stripe shows a state of the refund that is not known here.' };
	}
}
