/** I1, I3, I4, I6, I8, I9: what became of the money and the parcel. */
import { FINAL, type Operation } from '../evidence.ts';
import { accepted, done } from '../story.ts';
import { complain, type Rule } from './rule.ts';

/** I1: at most one authorise, at most one of capture and void. */
export const moneyMovesOnce: Rule = (story) => {
	const authorised = done(story, 'authorize').length;
	const moved = done(story, 'capture', 'void').length;
	return [
		...complain('I1', ['journal authorize'], authorised > 1 && `authorised ${authorised} times`),
		...complain('I1', ['journal capture', 'journal void'], moved > 1 && `captured or voided ${moved} times`),
	];
};

/** I3: an accepted cancel holds. */
export const yesMeansYes: Rule = (story, { finished }) => {
	if (!story.answers.some((answer) => answer.action === 'cancel' && accepted(answer))) return [];
	const status = story.order?.status ?? 'gone';
	const isKept = status === 'Cancelled' || (!finished && status === 'CancelRequested');
	const cancel = ['answer cancel', 'event OrderCancelRequested'] as const;
	return [
		...complain('I3', [...cancel, 'event'], !isKept && `a cancel was accepted, and the order is ${status}`),
		...complain(
			'I3',
			[...cancel, 'journal capture'],
			done(story, 'capture').length > 0 && 'a cancel was accepted, and the money was captured',
		),
		...complain(
			'I3',
			[...cancel, 'parcel'],
			story.parcels.length > 0 && 'a cancel was accepted, and a parcel went out',
		),
	];
};

const PAYMENT_AT_END: Readonly<Record<string, readonly string[]>> = {
	Shipped: ['Captured', 'PartiallyRefunded', 'Refunded'],
	Cancelled: ['Voided', 'Declined'],
	PaymentFailed: ['Declined', 'Failed', 'Voided'],
};

/** I4: what was answered 201 exists and has ended, and its money agrees with its end. */
export const nothingIsLost: Rule = (story, { finished }) => {
	const { order, payment, answers } = story;
	if (order === undefined) {
		const promised = answers.some((answer) => answer.action === 'create' && accepted(answer));
		return complain('I4', ['answer'], promised && 'answered 201, and gone');
	}
	const { status, paymentStatus } = order;
	if (!FINAL.has(status)) {
		return complain('I4', ['event', 'journal'], finished && `still ${status} (payment ${paymentStatus})`);
	}
	const held = done(story, 'authorize').length - done(story, 'capture', 'void', 'lapse').length;
	const captured = done(story, 'capture').length;
	return complain(
		'I4',
		['event', 'journal', 'parcel'],
		!(PAYMENT_AT_END[status] ?? []).includes(paymentStatus) && `${status}, and the payment is ${paymentStatus}`,
		paymentStatus !== (payment?.status ?? 'Requested') && `the table says ${payment?.status}`,
		payment?.operation != null && `ended, and its ${payment.operation} is still open`,
		status === 'Cancelled' && held > 0 && 'cancelled, and the money is still held',
		status === 'PaymentFailed' && captured > 0 && 'the payment failed, and the money was captured',
		status === 'Shipped' && captured === 0 && 'shipped, and never captured',
		status === 'Shipped' && story.parcels.length === 0 && 'shipped, and there is no parcel',
	);
};

/** I6: capture before shipping. */
export const captureFirst: Rule = (story) => {
	const captured = Math.min(...done(story, 'capture').map(({ createdAt }) => createdAt));
	const early = story.parcels.filter(({ createdAt }) => createdAt < captured);
	const what = early.length > 0 && 'a parcel went out before the money was captured';
	return complain('I6', ['journal capture', 'parcel', 'event PaymentCaptured', 'event OrderShipped'], what);
};

/** I8: at most one hand-over. */
export const shipsOnce: Rule = ({ parcels }) =>
	complain(
		'I8',
		['parcel', 'event OrderShipped', 'handled shipping'],
		parcels.length > 1 && `${parcels.length} parcels`,
	);

const sum = (operations: readonly Operation[]): number => operations.reduce((total, { amount }) => total + amount, 0);

/** I9: what was last agreed is taken, no more than was held; never more is given back than was taken. */
export const amountsAgree: Rule = (story) => {
	const agreements = story.history.filter(({ type }) => type === 'OrderPending' || type === 'OrderAmended');
	const agreed = agreements.at(-1)?.data.amountMinor;
	const captured = sum(done(story, 'capture'));
	const held = sum(done(story, 'authorize'));
	const refunded = sum(done(story, 'refund')) - sum(done(story, 'refund failed'));
	const isOther = captured > 0 && agreed !== undefined && captured !== Number(agreed);
	return [
		...complain(
			'I9',
			['event OrderPending', 'event OrderAmended', 'journal capture'],
			isOther && `${captured} was taken, and ${agreed} was agreed`,
		),
		...complain(
			'I9',
			['journal authorize', 'journal capture'],
			captured > held && `${captured} was taken, and ${held} was held`,
		),
		...complain(
			'I9',
			['journal capture', 'journal refund'],
			refunded > captured && `${refunded} was given back, and ${captured} was taken`,
		),
	];
};
