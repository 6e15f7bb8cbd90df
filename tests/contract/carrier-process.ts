/**
 * A consumer in a process of its own that never gets done: `node … <module> <address> <topology> <group>` prints the
 * ids of each batch as a line of JSON when it has it in hand, and waits to be killed.
 */
import type { CarrierModule } from './carrier-harness.ts';

const [module = '', address = '', topology = '', group = ''] = process.argv.slice(2);
const { openCarrier }: CarrierModule = await import(module);
const say = (message: string) => console.error(message);
const log = { debug: say, info: say, warn: say, error: say };

openCarrier(address, JSON.parse(topology), log).carrier.subscribe(
	group,
	(deliveries) => {
		console.log(JSON.stringify(deliveries.map(({ id }) => id)));
		return new Promise(() => {});
	},
	{ batch: 10 },
);
