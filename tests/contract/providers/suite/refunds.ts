import { expect, it } from '@jest/globals';
import { type Part, Purchase, USD } from '../purchase.ts';

/** Money given back: in parts, each once, and never more than was taken. */
export function refundSuite(part: Part): void {
	const taken = async (): Promise<Purchase> => {
		const purchase = await Purchase.authorized(part);
		expect((await purchase.ask('capture')).kind).toBe('succeeded');
		return purchase;
	};
	const usd = (minor: bigint) => ({ ...USD, minor });

	it('are done once under one key, each for itself', async () => {
		const purchase = await taken();
		const first = await purchase.ask('refund', { refund: 'a', amount: usd(500n) });
		const again = await purchase.ask('refund', { refund: 'a', amount: usd(500n) });
		const other = await purchase.ask('refund', { refund: 'b', amount: usd(500n) });
		const references = [first, again, other].map((said) => (said.kind === 'succeeded' ? said.reference : said.kind));
		expect(references[1]).toBe(references[0]);
		expect(references[2]).not.toBe(references[0]);
		expect(again.remembered).toBe(true);
		expect(await purchase.listed()).toMatchObject({ captured: USD.minor, refunded: 1_000n });
	});

	it('never come to more than was taken', async () => {
		const purchase = await taken();
		expect((await purchase.ask('refund', { refund: 'a', amount: usd(1_000n) })).kind).toBe('succeeded');
		expect((await purchase.ask('refund', { refund: 'b', amount: usd(991n) })).kind).toBe('refused');
		expect((await purchase.ask('refund', { refund: 'c', amount: usd(990n) })).kind).toBe('succeeded');
		expect((await purchase.ask('refund', { refund: 'd', amount: usd(1n) })).kind).toBe('refused');
		expect(await purchase.listed()).toMatchObject({ captured: USD.minor, refunded: USD.minor });
	});

	it('can be asked for, by its id and by its name at the provider', async () => {
		const purchase = await taken();
		const undone = ['notDone', 'notFound'];
		expect(undone).toContain((await purchase.find('refund', { refund: 'a', amount: usd(500n) })).kind);
		await purchase.ask('refund', { refund: 'a', amount: usd(500n) });
		expect((await purchase.find('refund', { refund: 'a', amount: usd(500n) })).kind).toBe('succeeded');
		expect(undone).toContain((await purchase.find('refund', { refund: 'b', amount: usd(500n) })).kind);
	});

	it('are not given of what was never taken', async () => {
		const purchase = await Purchase.authorized(part);
		expect(['refused', 'unknown']).toContain((await purchase.ask('refund', { refund: 'a' })).kind);
		expect(await purchase.listed()).toMatchObject({ held: USD.minor, refunded: 0n });
	});
}
