/** Starts what takes longest first: a long file that came last would leave the other processes without work. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

// Imported, it is another thing than its types say.
const jest: typeof import('@jest/test-sequencer') = createRequire(import.meta.url)('@jest/test-sequencer');

type Tests = Parameters<InstanceType<typeof jest.default>['sort']>[0];

/** About slowest first, as `.ci/run` prints them; those that keep both cores busy, the chaos runs, not side by side. */
const SLOW = [
	'system/settlement/random-run',
	'system/upgrade/upgrade',
	'system/cluster/processes',
	'contract/kafka/faults',
	'system/brokers/transporters',
	'system/faults/chaos-kafka',
	'replay/replay-even',
	'contract/kafka/carrier',
	'system/faults/chaos-rabbitmq',
	'replay/replay-odd',
	'system/inbox/sixth-service',
	'system/faults/crash-points',
	'system/faults/chaos-redis',
	'system/brokers/broker-away',
	'system/brokers/switch-broker',
	'system/orders/waiting',
	'contract/kafka/network',
	'contract/kafka/consumer',
	'contract/rabbitmq/carrier',
	'contract/rabbitmq/faults',
	'system/faults/kill',
	'system/settlement/stripe-pace',
	'system/settlement/stripe',
	'contract/redis/carrier',
	'contract/postgres/carrier',
	'system/database/embedded-postgres',
	'system/life/leaving',
	'contract/redis/server',
	'system/brokers/compose.redis',
	'contract/redis/cluster',
	'system/cluster/node-slot',
];

/** The place of a test file by its path, those that are not named behind all others. Throws where a name is no file. */
export function ranking(names: readonly string[], folder = import.meta.dirname): (path: string) => number {
	const places = new Map(names.map((name, place) => [join(folder, `${name}.test.ts`), place]));
	const missing = [...places.keys()].filter((path) => !existsSync(path));
	if (missing.length > 0) throw new Error(`tests/sequencer.ts names what is no file: ${missing.join(', ')}`);
	return (path) => places.get(path) ?? names.length;
}

const rank = ranking(SLOW);

export default class SlowestFirst extends jest.default {
	/** The rest as Jest has it: what failed, what took longest here, or the largest. */
	override async sort(tests: Tests): Promise<Tests> {
		return [...(await super.sort(tests))].sort((one, other) => rank(one.path) - rank(other.path));
	}
}
