import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kafka, LocalKafka } from '../../bin/brokers/kafka.ts';
import type { BrokerKind, LocalBroker, LocalBrokerOptions } from '../../bin/brokers/local-broker.ts';
import { freePort } from '../../bin/brokers/ports.ts';
import { rabbitmq } from '../../bin/brokers/rabbitmq.ts';
import { redis } from '../../bin/brokers/redis.ts';
import { TcpProxy } from './tcp-proxy.ts';

/** Every broker that the system can be run on. */
export const BROKER_KINDS: readonly BrokerKind[] = [rabbitmq, kafka, redis];

/** A broker of a test's own, on a free port and a folder below the temporary one; not up yet. */
export interface TestBroker extends LocalBroker {
	/** Ends it and removes its folder. */
	dispose(): Promise<void>;
}

export async function testBroker(kind: BrokerKind): Promise<TestBroker> {
	return brokerAt(kind, await freePort(), (options) => kind.local(options));
}

/** A broker, up, that all its clients reach by a line which can be disturbed. */
export async function brokerBehindProxy(
	kind: BrokerKind,
): Promise<{ server: TestBroker; proxy: TcpProxy; url: string }> {
	const port = await freePort();
	const proxy = await TcpProxy.open(port);
	// Kafka tells its clients where to come.
	const settings = { 'advertised.listeners': `PLAINTEXT://127.0.0.1:${proxy.port}` };
	const server = await brokerAt(kind, port, (options) =>
		kind === kafka ? new LocalKafka(options, settings) : kind.local(options),
	);
	await server.up();
	return { server, proxy, url: server.url.replace(`:${port}`, `:${proxy.port}`) };
}

async function brokerAt(
	kind: BrokerKind,
	port: number,
	localOf: (options: LocalBrokerOptions) => LocalBroker,
): Promise<TestBroker> {
	const folder = await mkdtemp(join(tmpdir(), `pp-${kind.scheme}-`));
	const local = localOf({ folder, port });
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
