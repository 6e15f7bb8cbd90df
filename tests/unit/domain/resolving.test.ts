import { describe, expect, it } from '@jest/globals';
import type { Order } from '../../../domain/order.ts';
import { RESOLUTION_OUTCOMES, type Resolution, type ResolutionOutcome } from '../../../domain/resolving.ts';
import { SECOND } from '../../../domain/time.ts';
import { at, call, DUE, FIXTURES, made, outcome, PAUSED, place, START, TERMS } from './order.fixtures.ts';

const decision = (what: ResolutionOutcome, reference: string | null = null): Resolution => ({
	outcome: what,
	reference,
	note: 'seen at the provider',
	by: 'olga',
});
const states = ({ record, payment }: Order): string[] => [record.status, payment.status];
const types = (order: Order, from: number): string[] => order.raised.slice(from).map(({ type }) => type);
const fixture = (name: string): Order => {
	const found = FIXTURES.find((each) => each.name === name);
	if (found === undefined) throw new Error(`no fixture ${name}`);
	return found.make();
};

/** Decides, and answers with what was raised, or the refusal. */
function decide(
	order: Order,
	what: ResolutionOutcome,
	now: number,
	reference: string | null = null,
): string[] | string {
	const from = order.raised.length;
	const result = order.resolvePayment(decision(what, reference), at(now));
	return result.ok ? types(order, from) : result.error.message;
}

const LATER = DUE + 60 * SECOND;

describe('a person decides', () => {
	it.each<[string, ResolutionOutcome, readonly string[], readonly string[]]>([
		['Pending / Unknown (authorize open)', 'authorized', ['Pending', 'Authorized'], ['PaymentAuthorized']],
		['Pending / Unknown (authorize open)', 'declined', ['PaymentFailed', 'Declined'], ['PaymentDeclined']],
		['Pending / Unknown (authorize open)', 'voided', ['PaymentFailed', 'Voided'], ['PaymentVoided', 'PaymentFailed']],
		['OnHold / ActionRequired (authorize open)', 'declined', ['PaymentFailed', 'Declined'], ['PaymentDeclined']],
		[
			'CancelRequested / Unknown (authorize open)',
			'declined',
			['Cancelled', 'Declined'],
			['PaymentDeclined', 'OrderCancelled'],
		],
		[
			'CancelRequested / Unknown (authorize open)',
			'authorized',
			['CancelRequested', 'Authorized'],
			['PaymentAuthorized', 'PaymentDue'],
		],
		['CancelRequested / Unknown (void open)', 'voided', ['Cancelled', 'Voided'], ['PaymentVoided', 'OrderCancelled']],
		[
			'Confirmed / Unknown (authorize open)',
			'authorized',
			['Confirmed', 'Authorized'],
			['PaymentAuthorized', 'PaymentDue'],
		],
		['Confirmed / Unknown (capture open)', 'captured', ['Confirmed', 'Captured'], ['PaymentCaptured']],
		['Confirmed / Unknown (capture open)', 'failed', ['PaymentFailed', 'Failed'], ['PaymentFailed']],
		['Confirmed / Unknown (capture open)', 'voided', ['PaymentFailed', 'Voided'], ['PaymentVoided', 'PaymentFailed']],
	])('%s: %s', (name, what, ends, raised) => {
		const order = fixture(name);
		expect(decide(order, what, LATER, what === 'authorized' ? 'pi_1' : null)).toEqual(['PaymentResolved', ...raised]);
		expect(states(order)).toEqual(ends);
		expect(order.payment).toMatchObject({ open: null, action: null, tried: [], undecidedSince: null });
		if (what === 'authorized') expect(order.payment.reference).toBe('pi_1');
	});

	it('says who, why and about what, before what follows from it', () => {
		const order = fixture('Confirmed / Unknown (capture open)');
		decide(order, 'captured', LATER);
		expect(order.raised.at(-2)).toMatchObject({
			type: 'PaymentResolved',
			data: { by: 'olga', note: 'seen at the provider', operation: 'capture', outcome: 'captured', reference: null },
		});
		expect(order.raised.at(-1)).toMatchObject({
			data: { attempts: [{ operation: 'capture', attempt: 1, outcome: 'unknown' }] },
		});
	});

	it('of a payment that is not undecided nothing, and nothing that the open operation cannot end as', () => {
		for (const { name, make, payment, open } of FIXTURES) {
			for (const what of RESOLUTION_OUTCOMES) {
				const order = make();
				const before = states(order);
				const said = decide(order, what, LATER, 'pi_1');
				const isUndecided = payment === 'Unknown' || payment === 'ActionRequired';
				const ends: Record<string, string> = {
					authorize: 'authorized declined voided',
					capture: 'captured failed voided',
					void: 'voided',
				};
				const fits = isUndecided && (ends[open ?? 'void'] ?? '').split(' ').includes(what);
				expect([name, what, typeof said]).toEqual([name, what, fits ? 'object' : 'string']);
				if (!fits) expect(states(order)).toEqual(before);
				// An order that was cancelled is never paid for.
				if (before[0] === 'CancelRequested') expect(order.payment.status).not.toBe('Captured');
			}
		}
	});

	it('needs the name of an authorisation that nobody knows', () => {
		const order = fixture('Pending / Unknown (authorize open)');
		expect(decide(order, 'authorized', LATER)).toMatch(/"reference"/);
		expect(states(order)).toEqual(['Pending', 'Unknown']);
	});

	it('not while a call is under way, but in the pause before the next one', () => {
		const order = place();
		call(order, START, 'unknown');
		const next = order.payment.open?.attemptUntil ?? Number.NaN;
		order.beginPayment(at(next), TERMS);
		expect(decide(order, 'declined', next + 1)).toMatch(/under way/);
		order.applyPaymentOutcome(made('authorize', 2), outcome('unknown'), at(next + 2));
		expect(order.payment.open?.attemptUntil).toBeGreaterThan(next + 3);
		expect(decide(order, 'declined', next + 3)).toEqual(['PaymentResolved', 'PaymentDeclined']);
	});

	it('after a call whose outcome was lost', () => {
		const order = place();
		call(order, START, 'unknown');
		const next = order.payment.open?.attemptUntil ?? Number.NaN;
		order.beginPayment(at(next), TERMS);
		const over = order.payment.open?.attemptUntil ?? Number.NaN;
		expect(decide(order, 'declined', over)).toEqual(['PaymentResolved', 'PaymentDeclined']);
	});

	it('and an outcome that comes later has no effect', () => {
		const order = fixture('Confirmed / Unknown (capture open)');
		decide(order, 'captured', LATER);
		expect(order.applyPaymentOutcome(made('capture', 1), outcome('refused'), at(LATER + 1))).toBe(false);
		expect(states(order)).toEqual(['Confirmed', 'Captured']);
	});
});

describe('what was tried', () => {
	it('stands in the event of the end, and is kept while there is none', () => {
		const order = place();
		call(order, START, 'unknown');
		expect(order.payment).toMatchObject({
			tried: [{ operation: 'authorize', attempt: 1, outcome: 'unknown', by: 'call', reference: null }],
			undecidedSince: START,
		});
		const next = order.payment.open?.attemptUntil ?? Number.NaN;
		order.beginPayment(at(next), TERMS);
		const found = { ...outcome('succeeded'), found: true, requestId: 'req_2', code: 'ok' };
		order.applyPaymentOutcome(made('authorize', 2, next), found, at(next + 1));
		expect(order.payment).toMatchObject({ tried: [], undecidedSince: null });
		expect(order.raised.at(-1)).toMatchObject({
			type: 'PaymentAuthorized',
			data: {
				attempts: [
					{ attempt: 1, outcome: 'unknown' },
					{
						...{ attempt: 2, outcome: 'succeeded', by: 'find', key: 'order:authorize', requestId: 'req_2', code: 'ok' },
						...{ reference: 'ref-1', beganAt: new Date(next).toISOString() },
					},
				],
			},
		});
	});

	it('is the first five and the last fifteen', () => {
		const order = place();
		call(order, START, 'unknown');
		for (let round = 2; round <= 40; round++) {
			const next = order.payment.open?.attemptUntil ?? Number.NaN;
			order.beginPayment(at(next), TERMS);
			order.applyPaymentOutcome(made('authorize', round), outcome('unknown'), at(next));
		}
		const numbers = order.payment.tried.map(({ attempt }) => attempt);
		expect(numbers).toEqual([1, 2, 3, 4, 5, ...Array.from({ length: 15 }, (_, index) => 26 + index)]);
		expect(order.payment.undecidedSince).toBe(START);
	});

	it('has no secret of the buyer, and no reason that names our machines', () => {
		const order = place();
		const asked = {
			...outcome('actionRequired'),
			action: { type: 'client_secret', url: null, clientSecret: 'pi_1_secret_2' },
		} as const;
		order.beginPayment(at(START), TERMS);
		order.applyPaymentOutcome(made('authorize', 1), asked, at(START));
		expect(order.payment.tried).toHaveLength(1);
		expect(JSON.stringify([order.payment.tried, order.raised.map(({ type }) => type)])).not.toMatch(/secret/);
		const lost = place();
		lost.beginPayment(at(PAUSED), TERMS);
		const reason = 'connect ECONNREFUSED 10.0.0.7:443';
		lost.applyPaymentOutcome(made('authorize', 1), { kind: 'unknown', reason }, at(PAUSED));
		expect(JSON.stringify(lost.payment.tried)).not.toMatch(/10\.0\.0\.7/);
	});
});
