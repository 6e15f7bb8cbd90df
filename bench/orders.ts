import { randomUUID } from 'node:crypto';
import type { ServiceBroker } from 'moleculer';

const META = { caller: { subject: 'bench', scopes: [] } };

/** Places one order through the broker, as the gateway does. */
export function place(broker: ServiceBroker, cancellationWindow = '10m'): Promise<unknown> {
	const params = {
		productName: 'A pound of tea',
		amount: '19.90',
		currency: 'USD',
		paymentMethod: 'card_ok',
		cancellationWindow,
		idempotencyKey: randomUUID(),
	};
	return broker.call('orders.create', params, { meta: META });
}

/** Places orders, so many at once, until `more` says no; answers how many a second were accepted. */
export async function accept(
	broker: ServiceBroker,
	atOnce: number,
	more: (placed: number) => boolean,
	window?: () => string,
): Promise<number> {
	const start = performance.now();
	let placed = 0;
	const worker = async (): Promise<void> => {
		while (more(placed)) {
			placed += 1;
			await place(broker, window?.());
		}
	};
	await Promise.all(Array.from({ length: atOnce }, worker));
	return (placed * 1_000) / (performance.now() - start);
}

/** Says yes for so many seconds. */
export function forSeconds(seconds: number): () => boolean {
	const end = performance.now() + seconds * 1_000;
	return () => performance.now() < end;
}
