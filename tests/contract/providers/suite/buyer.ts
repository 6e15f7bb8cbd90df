import { describe, expect, it } from '@jest/globals';
import type { ProviderOutcome } from '../../../../domain/provider.ts';
import { DAY } from '../../../../domain/time.ts';
import { type Part, Purchase, USD } from '../purchase.ts';

type ActionRequired = Extract<ProviderOutcome, { kind: 'actionRequired' }>;

/** What the buyer and the bank decide. */
export function buyerSuite(part: Part): void {
	const { harness } = part;
	const { answer, lapse, cards } = harness;

	/** One that waits for the buyer, with what the buyer has to do. */
	const waiting = async (): Promise<{ readonly purchase: Purchase; readonly said: ActionRequired }> => {
		const purchase = new Purchase(part, { card: cards.needsBuyer });
		const said = await purchase.ask('authorize');
		if (said.kind !== 'actionRequired') throw new Error(`authorise: ${JSON.stringify(said)}`);
		return { purchase, said };
	};

	it('decline, and hold nothing', async () => {
		const purchase = new Purchase(part, { card: cards.declined });
		const said = await purchase.ask('authorize');
		expect(said).toMatchObject({ kind: 'declined', reason: expect.stringMatching(/\w/) });
		expect(said.code).toEqual(expect.stringMatching(/^\w+$/));
		expect(await purchase.ask('authorize')).toMatchObject({ kind: 'declined', remembered: true });
		expect((await purchase.find('authorize')).kind).toBe('declined');
		const { held = 0n, captured = 0n } = (await purchase.listed()) ?? {};
		expect([held, captured]).toEqual([0n, 0n]);
	});

	it('are waited for: what to do is said again to whoever asks', async () => {
		const { purchase, said } = await waiting();
		const { action } = said;
		expect(action.type === 'redirect' ? action.url : action.clientSecret).toEqual(expect.stringMatching(/\S/));
		expect(await purchase.find('authorize')).toMatchObject({ kind: 'actionRequired', action });
		expect(await purchase.listed()).toMatchObject({ held: 0n, waits: true });
		expect((await purchase.ask('capture')).kind).not.toBe('succeeded');
	});

	it('are waited for no longer once that is released', async () => {
		const { purchase, said } = await waiting();
		expect((await purchase.find('void')).kind).toBe('notDone');
		expect((await purchase.ask('void')).kind).toBe('succeeded');
		expect((await purchase.find('void')).kind).toBe('succeeded');
		expect(await harness.answer?.(said.reference, said.action, 'succeeded')).not.toBe(true);
		expect((await purchase.find('authorize')).kind).toBe('gone');
		expect(await purchase.listed()).toMatchObject({ held: 0n, captured: 0n, waits: false });
	});

	if (answer !== undefined) {
		it('complete what was waited for', async () => {
			const { purchase, said } = await waiting();
			expect(await answer(said.reference, said.action, 'succeeded')).toBe(true);
			const found = await purchase.find('authorize');
			expect(found).toMatchObject({ kind: 'succeeded', reference: said.reference });
			// The key's own answer is of then.
			expect(await purchase.ask('authorize')).toMatchObject({ kind: 'actionRequired', remembered: true });
			expect(await purchase.listed()).toMatchObject({ held: USD.minor, waits: false });
			expect((await purchase.ask('capture')).kind).toBe('succeeded');
		});

		it('fail what was waited for', async () => {
			const { purchase, said } = await waiting();
			expect(await answer(said.reference, said.action, 'failed')).toBe(true);
			const found = await purchase.find('authorize');
			expect(found).toMatchObject({ kind: 'declined', reason: expect.stringMatching(/\w/) });
			expect(await purchase.listed()).toMatchObject({ held: 0n });
		});
	}

	if (lapse !== undefined) {
		describe('let the money go', () => {
			it('and nothing is taken, released or held after that', async () => {
				const purchase = await Purchase.authorized(part);
				await lapse(purchase.orderId);
				for (const operation of ['authorize', 'capture', 'void'] as const) {
					expect([operation, (await purchase.find(operation)).kind]).toEqual([operation, 'gone']);
				}
				expect((await purchase.ask('capture')).kind).toBe('gone');
				expect((await purchase.ask('void')).kind).toBe('gone');
				const longAgo = Date.now() - 8 * DAY;
				expect(await purchase.listed(longAgo)).toMatchObject({ held: 0n, captured: 0n, refunded: 0n });
			});
		});
	}

	const { refusesCapture } = cards;
	if (refusesCapture !== undefined) {
		it('refuse to pay what was held, for good', async () => {
			const purchase = await Purchase.authorized(part, { card: refusesCapture });
			expect(await purchase.ask('capture')).toMatchObject({ kind: 'refused', reason: expect.stringMatching(/\w/) });
			expect((await purchase.ask('capture')).kind).toBe('refused');
			expect(await purchase.listed()).toMatchObject({ captured: 0n, held: USD.minor });
			expect((await purchase.ask('void')).kind).toBe('succeeded');
			expect(await purchase.listed()).toMatchObject({ captured: 0n, held: 0n });
		});
	}
}
