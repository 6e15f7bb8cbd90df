import { expect, it } from '@jest/globals';
import { SECOND } from '../../../../domain/time.ts';
import { until } from '../../../support/until.ts';
import { type Part, Purchase } from '../purchase.ts';

/** A busy machine is slow, not as slow as the provider would be. */
const AT_ONCE = 3 * SECOND;

/** A call whose time is over. */
export function abortingSuite(part: Part): void {
	const { harness, provider } = part;
	const { stall } = harness;

	it('makes no call for which there is no time left', async () => {
		const purchase = new Purchase(part);
		expect((await purchase.ask('authorize', { signal: AbortSignal.abort() })).kind).toBe('unknown');
		expect((await purchase.find('authorize')).kind).toBe('notFound');
	});

	if (stall === undefined) return;

	it('ends at once when its time is over, and gives its connection back', async () => {
		const held = await Purchase.authorized(part);
		const release = await stall();
		const stop = new AbortController();
		const { signal } = stop;
		const list = async (): Promise<void> => {
			for await (const _ of provider().list(0, Date.now(), signal));
		};
		const calls = [
			...Array.from({ length: 20 }, () => provider().authorize(new Purchase(part).request('authorize'), signal)),
			...(['capture', 'void', 'refund'] as const).map((operation) => {
				return provider()[operation](held.request(operation, operation === 'refund' ? { refund: 'a' } : {}), signal);
			}),
			provider().find('authorize', held.request('authorize'), signal),
			list(),
		];
		let settled = 0;
		const count = (): void => {
			settled += 1;
		};
		const all = Promise.allSettled(calls.map((call) => Promise.resolve(call).finally(count)));
		await until(() => (harness.underWay?.() ?? 1) > 0, 'a call is under way');
		expect(settled).toBe(0);
		const aborted = performance.now();
		stop.abort();
		await until(
			() => settled === calls.length,
			() => `all of ${calls.length} calls end, not ${settled}`,
			AT_ONCE,
		).finally(release);
		expect(performance.now() - aborted).toBeLessThan(AT_ONCE);
		await all;
		await until(() => (harness.underWay?.() ?? 0) === 0, 'the connections are given back');
		// And the provider serves the next one.
		await Purchase.authorized(part);
	});
}
