/** I9, of each refund: it is kept, it moves money once, and the parts never come to more than the whole. */
import { accepted, done, type Story } from '../story.ts';
import { type Complaint, complain, type Rule } from './rule.ts';

/** A refund as the history tells of it. */
interface Told {
	readonly amount: number;
	state: string;
}

const OUTCOMES = new Set(['RefundSucceeded', 'RefundFailed']);

/** The refunds by their ids, and the most that those that had not failed ever came to. */
function told({ history }: Story): { readonly refunds: ReadonlyMap<string, Told>; readonly most: number } {
	const refunds = new Map<string, Told>();
	let most = 0;
	for (const { type, data } of history) {
		const id = String(data.refundId);
		if (type === 'RefundRequested') refunds.set(id, { amount: Number(data.amountMinor), state: type });
		const refund = refunds.get(id);
		if (OUTCOMES.has(type) && refund !== undefined) refund.state = type;
		const standing = [...refunds.values()].filter(({ state }) => state !== 'RefundFailed');
		most = Math.max(most, total(standing));
	}
	return { refunds, most };
}

const total = (some: readonly { readonly amount: number }[]): number =>
	some.reduce((sum, { amount }) => sum + amount, 0);

const SHOWN = ['event RefundRequested', 'event RefundSucceeded', 'event RefundFailed', 'journal refund'] as const;

export const refundsAgree: Rule = (story, { finished }) => {
	const { refunds, most } = told(story);
	const captured = total(done(story, 'capture'));
	const all = [...refunds.values()];
	const succeeded = all.filter(({ state }) => state === 'RefundSucceeded');
	const open = all.filter(({ state }) => state === 'RefundRequested');
	const given = done(story, 'refund').length - done(story, 'refund failed').length;
	const sum = total(done(story, 'refund')) - total(done(story, 'refund failed'));
	const differs = finished && (given !== succeeded.length || sum !== total(succeeded));
	return [
		...complain(
			'I9',
			SHOWN,
			most > captured && `refunds of ${most} were accepted, and ${captured} was taken`,
			finished && open.length > 0 && `${open.length} refunds never came to an end`,
			differs &&
				`${given} refunds of ${sum} were given, and the history tells of ${succeeded.length} of ${total(succeeded)}`,
		),
		...promised(story, refunds),
	];
};

/** What clients were told. */
function promised({ answers }: Story, refunds: ReadonlyMap<string, Told>): Complaint[] {
	const good = answers.filter((answer) => answer.action === 'refund' && accepted(answer));
	const byKey = Map.groupBy(good, ({ key }) => key);
	const ids = good.flatMap(({ body }) => (body === null ? [] : [(JSON.parse(body) as { id: string }).id]));
	const lost = ids.filter((id) => !refunds.has(id));
	const twice = [...byKey].filter(([key, some]) => key !== null && new Set(some.map(({ body }) => body)).size > 1);
	return complain(
		'I9',
		['answer refund', 'event RefundRequested'],
		lost.length > 0 && `refund ${lost[0]} was answered 201, and gone`,
		twice.length > 0 && `key ${twice[0]?.[0]} was answered with different refunds`,
	);
}
