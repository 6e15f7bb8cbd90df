/** Refunds of captured intents. */
import type { Account, RefundRow } from './account.ts';
import { intentOf } from './intents.ts';
import { integerOf, metadataOf, onlyKnown, type Params, requiredText, textOf } from './params.ts';
import { invalid, missing, refused } from './refusal.ts';
import { showCharge, showRefund } from './shown.ts';

const REASONS = ['duplicate', 'fraudulent', 'requested_by_customer'];

export function createRefund(account: Account, params: Params) {
	onlyKnown(params, ['payment_intent', 'amount', 'reason', 'metadata']);
	const amountAsked = integerOf(params, 'amount');
	const reason = textOf(params, 'reason') ?? null;
	if (reason !== null && !REASONS.includes(reason)) throw invalid(`Invalid reason: ${reason}`, undefined, 'reason');
	const metadata = metadataOf(params);
	const intent = intentOf(account, requiredText(params, 'payment_intent'));
	const { charge } = intent;
	if (charge === null || charge.captured === 0) {
		throw refused('This PaymentIntent does not have a successful charge to refund.');
	}
	const left = charge.captured - charge.refunded;
	if (left === 0) throw refused('The charge has already been refunded.', 'charge_already_refunded');
	const amount = amountAsked ?? left;
	if (amount < 1 || amount > left) {
		throw refused(
			`Refund amount (${amount}) is greater than unrefunded amount on charge (${left})`,
			undefined,
			'amount',
		);
	}
	const refund: RefundRow = {
		...{ id: account.id('re'), intent, amount, reason, metadata, createdAt: account.now() },
		status: intent.card.refund === 'succeeds later' ? 'pending' : 'succeeded',
		failureReason: null,
	};
	charge.refunded += amount;
	account.refunds.set(refund.id, refund);
	account.move(intent, 'refund', amount);
	account.tell('refund.created', showRefund(refund));
	account.tell('charge.refunded', showCharge(account, intent, charge));
	return showRefund(refund);
}

export function refundOf(account: Account, id: string): RefundRow {
	const refund = account.refunds.get(id);
	if (refund === undefined) throw missing('refund', id, 'id');
	return refund;
}

/** What becomes of a refund that the card does not settle at once; nothing for the others. */
export function settleRefund(account: Account, refund: RefundRow): void {
	const { intent } = refund;
	if (intent.card.refund === 'fails' && refund.status === 'succeeded') {
		refund.status = 'failed';
		refund.failureReason = 'expired_or_canceled_card';
		if (intent.charge !== null) intent.charge.refunded -= refund.amount;
		account.move(intent, 'refund failed', refund.amount);
		account.tell('refund.failed', showRefund(refund));
	} else if (refund.status === 'pending') {
		refund.status = 'succeeded';
		account.tell('refund.updated', showRefund(refund));
	}
}
