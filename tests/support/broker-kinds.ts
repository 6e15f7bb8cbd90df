import { kafka, LocalKafka } from '../../bin/brokers/kafka.ts';
import type { BrokerKind, LocalBroker, LocalBrokerOptions } from '../../bin/brokers/local-broker.ts';
import { freePort } from '../../bin/brokers/ports.ts';
import { rabbitmq } from '../../bin/brokers/rabbitmq.ts';
import { redis } from '../../bin/brokers/redis.ts';
import { type OwnBroker, ownBroker } from './own-broker.ts';
import { TcpProxy } from './tcp-proxy.ts';

/** Every broker that the system can be run on. */
export const BROKER_KINDS: readonly BrokerKind[] = [rabbitmq, kafka, redis];

export type TestBroker = OwnBroker;

export const testBroker = (kind: BrokerKind): Promise<TestBroker> => ownBroker((options) => kind.local(options));

/** A broker, up, that all its clients reach by a line which can be disturbed. */
export async function brokerBehindProxy(
	kind: BrokerKind,
): Promise<{ server: TestBroker; proxy: TcpProxy; url: string }> {
	const port = await freePort();
	const proxy = await TcpProxy.open(port);
	// Kafka tells its clients where to come.
	const settings = { 'advertised.listeners': `PLAINTEXT://127.0.0.1:${proxy.port}` };
	const local = (options: LocalBrokerOptions): LocalBroker =>
		kind === kafka ? new LocalKafka(options, settings) : kind.local(options);
	const server = await ownBroker(local, port);
	await server.up();
	return { server, proxy, url: server.url.replace(`:${port}`, `:${proxy.port}`) };
}
