import { expect, it } from '@jest/globals';
import { DAY, HOUR } from '../../../../domain/time.ts';
import { type Part, Purchase, USD } from '../purchase.ts';

/** Authorise, capture and void: each once, and of the amount that was asked for. */
export function movingSuite(part: Part): void {
	const { harness, provider } = part;

	it('says what it is, and which amounts it takes', () => {
		const { traits } = provider();
		expect(traits.requestVersion).toBeGreaterThanOrEqual(1);
		expect(traits.holdsFor).toBeGreaterThan(DAY);
		expect(traits.callsPerSecond).toBeGreaterThan(0);
		expect(harness.amounts.map((amount) => traits.refuses(amount))).toEqual(harness.amounts.map(() => undefined));
		for (const [field, amount] of harness.impossible) {
			expect(traits.refuses(amount)).toEqual({ field, message: expect.stringMatching(/\w.*\.$/) });
		}
	});

	it('holds, and says until when', async () => {
		const purchase = new Purchase(part);
		const held = await purchase.ask('authorize');
		if (held.kind !== 'succeeded') throw new Error(`authorise: ${JSON.stringify(held)}`);
		expect(held.reference).toEqual(expect.stringMatching(/\S/));
		// A provider that says nothing promises what its traits say.
		const { captureBefore = null } = held;
		expect(captureBefore ?? Date.now() + DAY).toBeGreaterThan(Date.now() + HOUR);
		expect(await purchase.listed()).toEqual({
			...{ orderId: purchase.orderId, reference: held.reference, createdAt: expect.any(Number), currency: 'USD' },
			...{ held: USD.minor, captured: 0n, refunded: 0n, waits: false },
		});
	});

	it('does an operation once under one key, and answers the same again', async () => {
		const purchase = new Purchase(part);
		for (const operation of ['authorize', 'capture'] as const) {
			const first = await purchase.ask(operation);
			const again = await purchase.ask(operation);
			const { remembered, requestId: _, ...same } = { requestId: null, ...again };
			expect(first).toMatchObject({ ...same, kind: 'succeeded' });
			expect([first.remembered ?? false, remembered]).toEqual([false, true]);
		}
		expect(await purchase.listed()).toMatchObject({ held: 0n, captured: USD.minor });
	});

	it('does it once when the same call comes at the same time, also from several processes', async () => {
		const purchase = new Purchase(part);
		const signal = AbortSignal.timeout(10_000);
		const request = purchase.request('authorize');
		const all = Array.from({ length: 5 }, () => harness.open().authorize(request, signal));
		const answers = (await Promise.allSettled(all)).flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
		const held = answers.flatMap((answer) => (answer.kind === 'succeeded' ? [answer.reference] : []));
		expect(new Set(held).size).toBe(1);
		// A call that finds another one under way may not know the outcome; none may have another one.
		expect(answers.filter(({ kind }) => kind !== 'succeeded' && kind !== 'unknown')).toEqual([]);
		expect(await purchase.listed()).toMatchObject({ held: USD.minor });
	});

	it('does not know what to make of a key that was used for something else', async () => {
		const purchase = await Purchase.authorized(part);
		const more = { amount: { ...USD, minor: USD.minor + 1n } };
		expect((await purchase.ask('authorize', more)).kind).toBe('unknown');
		const key = purchase.request('authorize').idempotencyKey;
		expect((await purchase.ask('capture', { key })).kind).toBe('unknown');
		expect(await purchase.listed()).toMatchObject({ held: USD.minor, captured: 0n });
	});

	it('takes less than is held, and releases the rest', async () => {
		const purchase = await Purchase.authorized(part);
		const amount = { ...USD, minor: 1_500n };
		expect((await purchase.ask('capture', { amount })).kind).toBe('succeeded');
		expect((await purchase.find('capture', { amount })).kind).toBe('succeeded');
		expect(await purchase.listed()).toMatchObject({ held: 0n, captured: 1_500n, refunded: 0n });
	});

	it('never takes twice, nor more than is held', async () => {
		const purchase = await Purchase.authorized(part);
		const more = { ...USD, minor: USD.minor + 1n };
		expect((await purchase.ask('capture', { amount: more })).kind).not.toBe('succeeded');
		expect(await purchase.listed()).toMatchObject({ held: USD.minor, captured: 0n });
		await purchase.ask('capture', { key: purchase.secondKey('capture') });
		await purchase.ask('capture', { key: `${purchase.orderId}:another` });
		expect(await purchase.listed()).toMatchObject({ held: 0n, captured: USD.minor });
	});

	it('releases, and takes nothing after that', async () => {
		const purchase = await Purchase.authorized(part);
		expect((await purchase.ask('void')).kind).toBe('succeeded');
		expect((await purchase.ask('capture')).kind).toBe('gone');
		expect(['succeeded', 'gone']).toContain((await purchase.ask('void', { key: purchase.secondKey('void') })).kind);
		expect((await purchase.find('void')).kind).toBe('succeeded');
		expect((await purchase.find('capture')).kind).toBe('gone');
		expect((await purchase.find('authorize')).kind).toBe('gone');
		expect(await purchase.listed()).toMatchObject({ held: 0n, captured: 0n, refunded: 0n, waits: false });
	});

	it('releases nothing that it has taken', async () => {
		const purchase = await Purchase.authorized(part);
		await purchase.ask('capture');
		expect((await purchase.ask('void')).kind).toBe('refused');
		expect((await purchase.find('void')).kind).not.toBe('succeeded');
		expect(await purchase.listed()).toMatchObject({ captured: USD.minor });
	});

	it.each(harness.amounts)('moves exactly $minor of $currency', async (amount) => {
		const purchase = await Purchase.authorized(part, { amount });
		expect(await purchase.listed()).toMatchObject({ currency: amount.currency, held: amount.minor });
		expect((await purchase.ask('capture')).kind).toBe('succeeded');
		expect((await purchase.ask('refund', { refund: 'r' })).kind).toBe('succeeded');
		expect(await purchase.listed()).toMatchObject({ captured: amount.minor, refunded: amount.minor });
	});

	it('knows the page of a payment, or says that there is none', async () => {
		const { reference } = await Purchase.authorized(part);
		const page = provider().pageOf(reference ?? '');
		expect(page === null || (URL.canParse(page) && page.includes(reference ?? '?'))).toBe(true);
	});
}
