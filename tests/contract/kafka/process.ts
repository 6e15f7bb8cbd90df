/**
 * A consumer of Kafka in a process of its own, `node … <address> <topology> <group>`: it handles what it gets, three
 * batches at once, and prints the ids; but with a message that says `hang` it never gets done.
 */
import { openCarrier } from './harness.ts';

const [address = '', topology = '', group = ''] = process.argv.slice(2);
const log = { debug: () => {}, info: () => {}, warn: console.error, error: console.error };

/** Resolves when the kernel has it: while nobody reads, Node keeps what is written, and a kill loses it. */
const said = (ids: readonly string[]): Promise<unknown> =>
	new Promise((written) => process.stdout.write(`${JSON.stringify(ids)}\n`, written));

openCarrier(address, JSON.parse(topology), log).carrier.subscribe(
	group,
	async (deliveries) => {
		if (deliveries.some(({ body }) => body === 'hang')) await new Promise(() => {});
		await said(deliveries.map(({ id }) => id));
		return [];
	},
	{ batch: 4, concurrency: 3 },
);
