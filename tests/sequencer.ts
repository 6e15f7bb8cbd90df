/** Starts what takes longest first: a long file that came last would leave the other processes without work. */
import { createRequire } from 'node:module';

// Imported, it is another thing than its types say.
const jest: typeof import('@jest/test-sequencer') = createRequire(import.meta.url)('@jest/test-sequencer');

type Tests = Parameters<InstanceType<typeof jest.default>['sort']>[0];

/** About slowest first, as `.ci/run` prints them; those that keep both cores busy, the chaos runs, not side by side. */
const SLOW = [
	'system/processes',
	'contract/kafka.faults',
	'system/transporters',
	'system/chaos-kafka',
	'replay/replay-even',
	'contract/kafka',
	'system/chaos-rabbitmq',
	'replay/replay-odd',
	'system/crash-points',
	'system/chaos-redis',
	'system/broker-away',
	'system/switch-broker',
	'system/waiting',
	'contract/kafka.network',
	'contract/rabbitmq',
	'contract/rabbitmq-faults',
	'system/kill',
	'contract/redis',
	'contract/postgres',
	'system/embedded-postgres',
	'system/leaving',
	'contract/redis.server',
	'system/compose.redis',
	'contract/redis.cluster',
	'system/node-slot',
];

const rank = (path: string): number => {
	const found = SLOW.findIndex((name) => path.endsWith(`/tests/${name}.test.ts`));
	return found < 0 ? SLOW.length : found;
};

export default class SlowestFirst extends jest.default {
	/** The rest as Jest has it: what failed, what took longest here, or the largest. */
	override async sort(tests: Tests): Promise<Tests> {
		return [...(await super.sort(tests))].sort((one, other) => rank(one.path) - rank(other.path));
	}
}
