/** I5: no message had its effect twice, by the history, the inbox and the wake-ups that were armed. */
import type { Choice, Story } from '../story.ts';
import { type Complaint, complain, type Rule } from './rule.ts';
import { COMES_IN, FAILS, MAY_REPEAT, STATE_AFTER } from './walk.ts';

/** The history is one walk through the state table, numbered without holes, and ends where the order is. */
export const oneWalk: Rule = (story) => {
	const complaints = new Map<string, Complaint>();
	const seen = new Set<string>();
	let state = '';
	const say = (what: string, ...matters: Choice[]): void => {
		if (!complaints.has(what)) complaints.set(what, { invariant: 'I5', what, matters });
	};
	for (const [index, { type, sequence, id }] of story.history.entries()) {
		if (sequence !== index + 1) say(`event ${index + 1} has sequence ${sequence}`, 'event');
		if (seen.has(id)) say(`event ${id} stands twice`, `event ${type}`);
		if (seen.has(type) && !MAY_REPEAT.has(type)) say(`${type} happened twice`, `event ${type}`, 'handled');
		if (!COMES_IN[type]?.includes(state)) say(`${type} in state ${state || 'none'}`, 'event');
		seen.add(id).add(type);
		state = STATE_AFTER[type] ?? (FAILS.has(type) && state !== 'CancelRequested' ? 'PaymentFailed' : state);
	}
	if (story.order !== undefined && state !== story.order.status)
		say(`the history ends in ${state || 'nothing'}, the order is ${story.order.status}`, 'event');
	return [...complaints.values()];
};

/** A consumer records a message once. */
export const recordedOnce: Rule = ({ handled }) => {
	const twice = Map.groupBy(handled, ({ consumer, messageId }) => `${consumer} ${messageId}`);
	return [...twice].flatMap(([row, all]) =>
		complain('I5', ['handled'], all.length > 1 && `the inbox has ${row} ${all.length} times`),
	);
};

/** An effect of a wake-up stands with its inbox row. */
export const effectsAreRecorded: Rule = ({ history, handled, armed }, { complete }) => {
	const due = new Set(armed.flatMap(({ id, type }) => (type === 'OrderDue' ? [id] : [])));
	const isWoken = history.some(({ type, data }) => type === 'OrderConfirmed' && data.wokenBy === 'OrderDue');
	const isRecorded = handled.some(({ consumer, messageId }) => consumer === 'deadlines' && due.has(messageId));
	const what = complete && isWoken && !isRecorded && 'confirmed by a wake-up that the inbox does not know';
	return complain('I5', ['event OrderConfirmed', 'handled deadlines', 'wake-up OrderDue'], what);
};

/**
 * A wake-up is armed by the event that sets its moment, and again by each one that was handled before its moment: more
 * than that were armed by one that was handled twice.
 */
export const armedOnce: Rule = (story, { complete }) => {
	if (!complete) return [];
	return [
		...tooMany(story, 'OrderDue', ['OrderPending', 'OrderResumed']),
		...tooMany(story, 'HoldExpired', ['OrderHeld']),
	];
};

function tooMany({ history, handled, armed }: Story, type: string, sets: readonly string[]): Complaint[] {
	const raised = history.filter((event) => sets.includes(event.type)).length;
	const wakeUps = new Map(armed.flatMap((one) => (one.type === type ? [[one.id, one.dueAt] as const] : [])));
	const early = handled.filter(
		({ consumer, messageId, handledAt }) => consumer === 'deadlines' && handledAt < (wakeUps.get(messageId) ?? 0),
	);
	const allowed = raised + new Set(early.map(({ messageId }) => messageId)).size;
	const what =
		wakeUps.size > allowed && `${type} was armed ${wakeUps.size} times, at most ${allowed} times for a reason`;
	const shown: readonly Choice[] = [
		...sets.map((set): Choice => `event ${set}`),
		'handled deadlines',
		`wake-up ${type}`,
	];
	return complain('I5', shown, what);
}
