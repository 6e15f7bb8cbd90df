import { describe, expect, it } from '@jest/globals';
import type { ProviderPayment } from '../../../../domain/provider.ts';
import { MINUTE, SECOND } from '../../../../domain/time.ts';
import { type Part, Purchase, USD } from '../purchase.ts';

/** What became of an operation, by `find`, and what there is at all, by `list`. */
export function askingSuite(part: Part): void {
	const { harness, provider } = part;
	const { keepError, loseAnswer, keptErrors } = harness;

	it('knows nothing of what was never asked for', async () => {
		const purchase = new Purchase(part);
		expect((await purchase.find('authorize')).kind).toBe('notFound');
		expect(await purchase.listed()).toBeUndefined();
	});

	it('says what has not been done', async () => {
		const purchase = await Purchase.authorized(part);
		expect((await purchase.find('capture')).kind).toBe('notDone');
		expect((await purchase.find('void')).kind).toBe('notDone');
		expect((await purchase.find('authorize')).kind).toBe('succeeded');
	});

	it('finds an authorisation whose name nobody has heard, and what was done after it', async () => {
		const purchase = await Purchase.authorized(part);
		const { reference } = purchase;
		purchase.reference = null;
		expect(await purchase.find('authorize')).toMatchObject({ kind: 'succeeded', reference });
		await purchase.ask('capture');
		purchase.reference = null;
		expect((await purchase.find('authorize')).kind).toBe('succeeded');
		expect((await purchase.find('capture')).kind).toBe('succeeded');
	});

	it('lists what was created in a time, and only that', async () => {
		const since = Date.now();
		const orders = new Set<string>();
		for (let nth = 0; nth < 3; nth += 1) orders.add((await Purchase.authorized(part)).orderId);
		const list = async (from: number, to: number): Promise<ProviderPayment[]> => {
			const listed: ProviderPayment[] = [];
			for await (const payment of provider().list(from, to, AbortSignal.timeout(MINUTE))) {
				if (orders.has(payment.orderId ?? '')) listed.push(payment);
			}
			return listed;
		};
		// A provider may count in seconds.
		const all = await list(since - 2 * SECOND, Date.now() + 2 * SECOND);
		expect(new Set(all.map(({ orderId }) => orderId))).toEqual(orders);
		expect(all).toHaveLength(3);
		for (const { createdAt } of all) expect(Math.abs(createdAt - since)).toBeLessThan(MINUTE);
		expect(await list(since - 10 * MINUTE, since - 5 * MINUTE)).toEqual([]);
		expect(await list(since + 5 * MINUTE, since + 10 * MINUTE)).toEqual([]);
	});

	if (loseAnswer !== undefined) {
		describe('after an answer that was lost', () => {
			it.each(['authorize', 'capture', 'void'] as const)('says that it was done: %s', async (operation) => {
				const purchase = new Purchase(part, { card: loseAnswer(operation) });
				// A card of which every first answer is lost loses that of the authorisation, too.
				for (let tries = 0; operation !== 'authorize' && tries < 2; tries += 1) await purchase.ask('authorize');
				expect((await purchase.ask(operation)).kind).toBe('unknown');
				expect((await purchase.find(operation)).kind).toBe('succeeded');
				expect(await purchase.ask(operation)).toMatchObject({ kind: 'succeeded', remembered: true });
				const held = operation === 'authorize' ? USD.minor : 0n;
				const captured = operation === 'capture' ? USD.minor : 0n;
				expect(await purchase.listed()).toMatchObject({ held, captured });
			});
		});
	}

	if (keepError === undefined) return;
	describe('after an error that is kept under the key', () => {
		/** What the provider shows of an operation that it has not done. */
		const UNDONE = {
			...{ authorize: ['notFound'], capture: ['notDone'], void: ['notDone'], refund: ['notDone', 'notFound'] },
		};

		it.each(keptErrors)('shows what has become of it: %s, %s', async (operation, work) => {
			const purchase = new Purchase(part, { card: keepError(operation, work) });
			if (operation !== 'authorize') await purchase.ask('authorize');
			if (operation === 'refund') await purchase.ask('capture');
			const asking = operation === 'refund' ? { refund: 'a' } : {};
			const first = await purchase.ask(operation, asking);
			expect([first.kind, first.remembered ?? false]).toEqual(['unknown', false]);
			expect(await purchase.ask(operation, asking)).toMatchObject({ kind: 'unknown', remembered: true });
			const found = await purchase.find(operation, asking);
			expect(work === 'done' ? ['succeeded'] : UNDONE[operation]).toContain(found.kind);
			if (work === 'done' || operation === 'authorize' || operation === 'refund') return;
			// The provider's own state keeps a second one from happening, so that a next key is safe.
			expect((await purchase.ask(operation, { key: purchase.secondKey(operation) })).kind).toBe('succeeded');
			expect((await purchase.find(operation)).kind).toBe('succeeded');
			const captured = operation === 'capture' ? USD.minor : 0n;
			expect(await purchase.listed()).toMatchObject({ held: 0n, captured });
		});
	});
}
