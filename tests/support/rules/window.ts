/** I2: the window is exact, by what is stored and by what the clients saw. */
import type { HistoryEvent } from '../evidence.ts';
import { accepted, type Choice, done, lastDue, type Story } from '../story.ts';
import { type Complaint, complain, type Rule } from './rule.ts';
import { STATE_AFTER } from './walk.ts';

interface Span {
	readonly state: string;
	readonly due: number;
	/** the hold limit, once there is one */
	readonly limit: number;
	readonly event: HistoryEvent;
}

/** Each event with the state, the due and the limit that it found. */
function spans({ history }: Story): Span[] {
	let state = '';
	let due = Number.NaN;
	let limit = Number.NaN;
	return history.map((event) => {
		const span = { state, due, limit, event };
		state = STATE_AFTER[event.type] ?? state;
		if (typeof event.data.pendingUntil === 'string') due = Date.parse(event.data.pendingUntil);
		if (typeof event.data.heldUntil === 'string') limit = Date.parse(event.data.heldUntil);
		return span;
	});
}

/** The events that set the due. */
const DUE: readonly Choice[] = ['event OrderPending', 'event OrderResumed'];

/** I2, by what is stored: nothing of the buyer's at or after due, nothing of the clock's before it. */
export const windowIsExact: Rule = (story) => {
	const due = lastDue(story);
	const early = done(story, 'capture').filter(({ createdAt }) => createdAt < due);
	return [
		...complain(
			'I2',
			[...DUE, 'journal capture'],
			...early.map(({ createdAt }) => `captured ${due - createdAt} ms before due`),
		),
		...spans(story).flatMap(complaintsOf),
	];
};

/** Cancels that the system asks for: at the hold limit, and at due where the buyer never answered the bank. */
const NOT_BY_BUYER: ReadonlySet<unknown> = new Set(['hold limit', 'authentication']);

/** True if the order ended because the buyer never answered the bank: a cancel after due agrees with that. */
const wasGivenUp = ({ history }: Story): boolean => history.some(({ data }) => data.requestedBy === 'authentication');

function complaintsOf({ state, due, limit, event: { type, occurredAt, data } }: Span): Complaint[] {
	const late = occurredAt - due;
	const shown: readonly Choice[] = [...DUE, `event ${type}`];
	const pauses = type === 'OrderHeld' || type === 'OrderResumed';
	const pastLimit = pauses && occurredAt >= limit && 'a pause or its end was accepted at or after the hold limit';
	const atLimit = complain('I2', ['event OrderHeld', `event ${type}`], pastLimit);
	if (type === 'OrderConfirmed') return complain('I2', shown, late < 0 && `confirmed ${-late} ms before due`);
	if (state !== 'Pending' || late < 0 || NOT_BY_BUYER.has(data.requestedBy)) return atLimit;
	if (type === 'OrderCancelRequested') return complain('I2', shown, `a cancel was accepted ${late} ms after due`);
	const what = (type === 'OrderHeld' && 'a pause') || (type === 'OrderAmended' && 'a lower amount');
	return [...atLimit, ...complain('I2', shown, what && `${what} was accepted ${late} ms after due`)];
}

/**
 * I2, by the clients' own watch, whatever the system wrote down. Only for orders whose due never moved. A request of
 * which one attempt came in time may have been accepted then, and answered later.
 */
export const windowAsSeen: Rule = (story, { skew }) => {
	const due = lastDue(story);
	if (Number.isNaN(due) || story.history.some(({ type }) => type === 'OrderHeld')) return [];
	const isGivenUp = wasGivenUp(story);
	return (['cancel', 'hold', 'amend'] as const).flatMap((action) => {
		const asked = story.answers.filter((answer) => answer.action === action);
		const isLate = !isGivenUp && asked.every(({ sentAt }) => sentAt >= due + skew);
		const tooLate = isLate ? asked.filter(accepted) : [];
		const tooEarly = asked.filter(({ code, at }) => code === 'Orders.WindowClosed' && at < due - skew);
		return complain(
			'I2',
			[...DUE, `answer ${action}`],
			...tooLate.map(({ sentAt }) => `${action} was sent ${sentAt - due} ms after due and accepted`),
			...tooEarly.map(({ at }) => `${action} was refused ${due - at} ms before due: the window is closed`),
		);
	});
};

/** I2, the other side: a buyer who was told that the window is over has bought. */
export const refusedMeansBought: Rule = (story) => {
	const told = story.answers.some(({ action, code }) => action === 'cancel' && code === 'Orders.WindowClosed');
	const isCancelled = story.order?.status === 'Cancelled' && !wasGivenUp(story);
	const what = told && isCancelled && 'a cancel was refused, and the order is cancelled';
	return complain('I2', [...DUE, 'answer cancel', 'event OrderCancelRequested', 'event OrderConfirmed'], what);
};
