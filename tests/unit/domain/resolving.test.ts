import { describe, expect, it } from '@jest/globals';
import { RESOLUTION_OUTCOMES, type Resolution, type ResolutionOutcome } from '../../../domain/decision.ts';
import type { Order } from '../../../domain/order.ts';
import type { Finding } from '../../../domain/provider.ts';
import { HOUR, SECOND } from '../../../domain/time.ts';
import { at, call, DUE, FIXTURES, made, outcome, PAUSED, place, START, TERMS, TIMEOUT } from './order.fixtures.ts';

const decision = (what: ResolutionOutcome, reference: string | null = null): Resolution => ({
	refundId: null,
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

/** Decides after the provider was asked, and answers with what was raised, or the refusal. `null`: it does not answer. */
function decide(
	order: Order,
	what: ResolutionOutcome,
	now: number,
	reference: string | null = null,
	found: Finding | null = null,
): string[] | string {
	const from = order.raised.length;
	const resolution = decision(what, reference);
	const asked = order.beginResolution(resolution, at(now), TERMS);
	if (!asked.ok) return asked.error.message;
	expect(order.needsCall(now + TIMEOUT - 1)).toBe(false); // nobody calls meanwhile
	const result = order.resolve(asked.value, found, resolution, at(now));
	return result.ok ? types(order, from) : result.error.message;
}

const LATER = DUE + 60 * SECOND;

describe('a person decides', () => {
	it('what waits for the buyer: it is ended at the provider too', () => {
		const order = fixture('OnHold / ActionRequired (authorize open)');
		expect(decide(order, 'declined', LATER)).toEqual(['PaymentResolved', 'PaymentDeclined', 'PaymentDue']);
		expect([states(order), order.nextOperation]).toEqual([['PaymentFailed', 'Declined'], 'void']);
		expect([call(order, LATER, 'succeeded'), states(order)]).toEqual(['void', ['PaymentFailed', 'Declined']]);
		expect(order.payment).toMatchObject({ open: null, action: null, tried: [], undecidedSince: null });
	});

	it.each<[string, ResolutionOutcome, readonly string[], readonly string[]]>([
		['Pending / Unknown (authorize open)', 'authorized', ['Pending', 'Authorized'], ['PaymentAuthorized']],
		['Pending / Unknown (authorize open)', 'declined', ['PaymentFailed', 'Declined'], ['PaymentDeclined']],
		['Pending / Unknown (authorize open)', 'voided', ['PaymentFailed', 'Voided'], ['PaymentVoided', 'PaymentFailed']],
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
			data: {
				attempts: [
					{ operation: 'capture', attempt: 1, outcome: 'unknown', by: 'call' },
					{ operation: 'capture', attempt: 2, outcome: 'unknown', by: 'find' },
				],
			},
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
				// What waits for the buyer is ended once the order was cancelled.
				const operation = payment === 'ActionRequired' && before[0] === 'CancelRequested' ? 'void' : open;
				const fits = isUndecided && (ends[operation ?? 'void'] ?? '').split(' ').includes(what);
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

	it('not while a call is under way or may arrive yet, and says from when on; then also before the next one', () => {
		const order = place();
		call(order, START, 'unknown');
		const early = decide(order, 'declined', START + TIMEOUT - 1);
		expect(early).toBe(
			`A call to the provider may still be under way. Decide again from ${new Date(START + TIMEOUT).toISOString()} on.`,
		);
		const next = START + TIMEOUT;
		order.beginPayment(at(next), TERMS);
		expect(decide(order, 'declined', next + TIMEOUT - 1)).toMatch(/under way/);
		order.applyPaymentOutcome(made('authorize', 2, next), outcome('unknown'), at(next + 2));
		expect(decide(order, 'declined', next + 3)).toMatch(/under way/);
		order.beginPayment(at(next + TIMEOUT), TERMS);
		const asked = { ...outcome('unknown'), found: true };
		order.applyPaymentOutcome(made('authorize', 3, next + TIMEOUT), asked, at(next + TIMEOUT + 2));
		// Nothing was called: to ask is no call.
		expect(order.payment.open?.attemptUntil).toBeGreaterThan(next + TIMEOUT + 3);
		expect(decide(order, 'declined', next + TIMEOUT + 3)).toEqual(['PaymentResolved', 'PaymentDeclined']);
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

const saying = (kind: Finding['kind']): Finding =>
	kind === 'notFound' || kind === 'notDone' ? { kind } : (outcome(kind) as Finding);

/** `true`: the decision counts; a state: what the payment is by the provider's answer, against the decision. */
type Verdicts = Readonly<Partial<Record<Finding['kind'], Partial<Record<ResolutionOutcome, true | string>>>>>;
const SILENT = ['notFound', 'unknown', 'refusesUs'] as const;

const VERDICTS: Readonly<Record<string, Verdicts>> = {
	'Pending / Unknown (authorize open)': {
		succeeded: { authorized: true, declined: 'Authorized', voided: 'Authorized' },
		declined: { authorized: 'Declined', declined: true, voided: true },
		refused: { authorized: 'Declined', declined: true, voided: true },
		gone: { authorized: 'Declined', declined: true, voided: true },
		actionRequired: { authorized: 'ActionRequired', declined: 'ActionRequired', voided: 'ActionRequired' },
		pending: { authorized: 'Unknown', declined: 'Unknown', voided: 'Unknown' },
		notDone: { authorized: 'Unknown', declined: true, voided: true },
	},
	'Confirmed / Unknown (capture open)': {
		succeeded: { captured: true, failed: 'Captured', voided: 'Captured' },
		declined: { captured: 'Failed', failed: true, voided: true },
		refused: { captured: 'Failed', failed: true, voided: true },
		gone: { captured: 'Failed', failed: true, voided: true },
		pending: { captured: 'Unknown', failed: 'Unknown', voided: 'Unknown' },
		notDone: { captured: 'Unknown', failed: true, voided: true },
	},
	'CancelRequested / Unknown (void open)': {
		succeeded: { voided: true },
		gone: { voided: true },
		refused: { voided: true },
		notDone: { voided: 'Unknown' },
	},
};

describe('what the provider says clearly counts more than a decision', () => {
	it.each(Object.entries(VERDICTS))('%s', (name, verdicts) => {
		for (const [kind, each] of Object.entries(verdicts)) {
			for (const [what, expected] of Object.entries(each)) {
				const order = fixture(name);
				const reference = what === 'authorized' ? 'pi_1' : null;
				const found = saying(kind as Finding['kind']);
				const said = decide(order, what as ResolutionOutcome, LATER, reference, found);
				const has = order.raised.some(({ type }) => type === 'PaymentResolved');
				expect([kind, what, typeof said, has]).toEqual([
					kind,
					what,
					expected === true ? 'object' : 'string',
					expected === true,
				]);
				if (expected === true) expect(order.payment.undecidedSince).toBeNull();
				else {
					expect([kind, what, order.payment.status]).toEqual([kind, what, expected]);
					expect(said).toMatch(/^The provider was asked, and says that the (authorize|capture|void) .*counts/);
				}
			}
		}
	});

	it('and nothing of it counts where it knows nothing, or does not answer', () => {
		for (const kind of SILENT) {
			const order = fixture('Confirmed / Unknown (capture open)');
			expect(decide(order, 'captured', LATER, null, saying(kind))).toEqual(['PaymentResolved', 'PaymentCaptured']);
		}
	});

	it('and what follows from it goes on: a capture that was not made is made later, and one that was ships', () => {
		const order = fixture('Confirmed / Unknown (authorize open)');
		expect(decide(order, 'declined', LATER, null, saying('succeeded'))).toMatch(/was done/);
		expect(states(order)).toEqual(['Confirmed', 'Authorized']);
		expect(order.raised.at(-1)).toMatchObject({ type: 'PaymentDue' });
		const unpaid = fixture('Confirmed / Unknown (capture open)');
		expect(decide(unpaid, 'captured', LATER, null, saying('notDone'))).toMatch(/was not done/);
		expect(unpaid.beginHandOver(at(LATER), TIMEOUT)).toBeNull();
		expect(unpaid.beginPayment(at(LATER + HOUR), TERMS)).toMatchObject({ operation: 'capture', mayCall: 'same key' });
	});

	it('and an answer that comes after the order has changed changes nothing', () => {
		const order = fixture('Pending / Unknown (authorize open)');
		const resolution = decision('declined');
		const asked = order.beginResolution(resolution, at(LATER), TERMS);
		if (!asked.ok) throw new Error(asked.error.message);
		order.beginPayment(at(LATER + TIMEOUT), TERMS); // the sweeper goes on: the answer was too long in coming
		const result = order.resolve(asked.value, saying('declined'), resolution, at(LATER + TIMEOUT));
		expect(result).toMatchObject({ error: { message: expect.stringMatching(/has changed/) } });
		expect(states(order)).toEqual(['Pending', 'Unknown']);
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
