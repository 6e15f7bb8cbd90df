/** Starts what takes longest first: a long file that came last would leave the other processes without work. */
import { createRequire } from 'node:module';

// Imported, it is another thing than its types say.
const jest: typeof import('@jest/test-sequencer') = createRequire(import.meta.url)('@jest/test-sequencer');

type Tests = Parameters<InstanceType<typeof jest.default>['sort']>[0];

/** Slowest first, as `.ci/run` prints them at its end. */
const SLOW = [
	'system/processes',
	'contract/kafka.faults',
	'system/transporters',
	'system/chaos-kafka',
	'system/chaos-rabbitmq',
	'system/chaos-redis',
	'system/crash-points',
	'system/switch-broker',
	'system/broker-away',
	'replay/replay-even',
	'replay/replay-odd',
	'contract/kafka',
	'contract/kafka.network',
	'system/kill',
	'system/waiting',
	'contract/rabbitmq',
	'contract/rabbitmq-faults',
	'contract/redis',
	'contract/postgres',
	'system/embedded-postgres',
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
