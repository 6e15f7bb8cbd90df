import type { BatchHandler, Failure } from '../brokers/index.ts';
import type { Consuming } from '../inbox/index.ts';
import { type Calls, stamp } from './calls.ts';

/**
 * Handles messages that lead to calls. Intents are committed only for as many messages as there are free call slots,
 * so a batch goes in parts if need be; each call begins after its intent's commit.
 */
export function intentHandler<C, O>(calls: Calls<C, O>, options: Consuming<C>): BatchHandler {
	const { inbox, transaction, consumer, decide } = options;
	return async (deliveries) => {
		const failures: Failure[] = [];
		for (let done = 0; done < deliveries.length; ) {
			const slots = await calls.slots.acquire(deliveries.length - done);
			const since = stamp();
			let intended: readonly C[] = [];
			try {
				const part = deliveries.slice(done, done + slots);
				const handled = await inbox.handle(transaction, consumer, part, decide);
				intended = handled.results;
				failures.push(...handled.failures);
			} finally {
				calls.slots.release(slots - intended.length);
				for (const call of intended) calls.start(call, since);
			}
			done += slots;
		}
		return failures;
	};
}
