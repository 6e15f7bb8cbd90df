import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kafka } from '../../bin/brokers/kafka.ts';
import type { BrokerKind, LocalBroker } from '../../bin/brokers/local-broker.ts';
import { freePort } from '../../bin/brokers/ports.ts';
import { rabbitmq } from '../../bin/brokers/rabbitmq.ts';
import { redis } from '../../bin/brokers/redis.ts';

/** Every broker that the system can be run on. */
export const BROKER_KINDS: readonly BrokerKind[] = [rabbitmq, kafka, redis];

/** A broker of a test's own, on a free port and a folder below the temporary one; not up yet. */
export interface TestBroker extends LocalBroker {
	/** Ends it and removes its folder. */
	dispose(): Promise<void>;
}

export async function testBroker(kind: BrokerKind): Promise<TestBroker> {
	const folder = await mkdtemp(join(tmpdir(), `pp-${kind.scheme}-`));
	const local = kind.local({ folder, port: await freePort() });
	return {
		url: local.url,
		up: () => local.up(),
		down: () => local.down(),
		kill: () => local.kill(),
		wipe: () => local.wipe(),
		dispose: async () => {
			await local.kill();
			await rm(folder, { recursive: true, force: true });
		},
	};
}
