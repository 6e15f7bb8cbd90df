/** What becomes of an attempt that cannot even be made. */
import { expect, it } from '@jest/globals';
import type { Claimed } from '../../../services/webhooks/deliveries-store.ts';
import { Dispatcher } from '../../../services/webhooks/dispatcher.ts';
import type { Ended } from '../../../services/webhooks/outcomes.ts';
import { memoryLog } from '../../support/database.ts';
import { until } from '../../support/until.ts';

const ENDPOINT = '0199e0a0-0000-7000-8000-000000000001';
const claimed: Claimed = {
	...{ endpoint_id: ENDPOINT, claims: 1, url: 'http://127.0.0.1:1/', secrets: [], now: 1_000 },
	...{ id: '0199e0a0-0000-7000-8000-000000000002', type: 'OrderPending', order_id: ENDPOINT, sequence: 1 },
	...{ occurred_at: 1_000, data: '{}', traceparent: null, deliver_at: null },
};

it('one that throws ends neither the process nor the dispatcher: it is stored as failed, and its place is free again', async () => {
	const stored: Ended[] = [];
	const asked: number[] = [];
	const log = memoryLog();
	const dispatcher = new Dispatcher(
		{
			claim: async (places) => {
				asked.push(...places.values());
				return asked.length <= 2 ? [claimed] : [];
			},
			attempt: async () => {
				throw new Error('no client for HTTP');
			},
			store: async (ended) => void stored.push(...ended),
			isPaused: () => false,
		},
		log,
	);
	dispatcher.loop.start();
	for (const count of [1, 2]) {
		dispatcher.wake([ENDPOINT]);
		await until(() => stored.length === count);
	}
	await dispatcher.stop();
	expect(stored.map(({ tried }) => tried)).toEqual(
		Array(2).fill({ kind: 'unreachable', responseStatus: null, error: 'the attempt could not be made' }),
	);
	expect(asked.slice(0, 2)).toEqual([8, 8]);
	expect(log.lines.filter((line) => line.startsWith('error'))).toHaveLength(2);
});
