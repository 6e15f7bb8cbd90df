/** Brokers that a user enters who may do what is listed, and nothing else. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } from 'kafkajs';
import { LocalKafka } from '../../bin/brokers/kafka.ts';
import type { LocalBroker, LocalBrokerOptions } from '../../bin/brokers/local-broker.ts';
import { freePort } from '../../bin/brokers/ports.ts';
import { LocalRabbitMq } from '../../bin/brokers/rabbitmq.ts';
import { LocalRedis } from '../../bin/brokers/redis.ts';
import { createClient, parseKafkaUrl } from '../../mixins/brokers/kafka/client.ts';
import { makeCertificates } from './certificates.ts';
import { memoryLog } from './database.ts';
import { type OwnBroker, ownBroker } from './own-broker.ts';
import { ask } from './redis.ts';

/**
 * What docs/operations.md lists, or that without the part for the events, for the calls between processes, or for Kafka's
 * consumer groups of the events.
 */
export type Rights = 'listed' | 'no events' | 'no calls' | 'no groups';

export interface GuardedBroker {
	/** for the user whose rights are in question */
	readonly url: string;
	/** what its processes are started with */
	readonly env: Readonly<Record<string, string>>;
	/** From now on the user may do this and nothing else. */
	allow(rights: Rights): Promise<void>;
	/** Lets it store nothing for a while, as if its memory were full; where that can be brought about. */
	refuse?(): Promise<void>;
	relent?(): Promise<void>;
	/** Ends it and removes its folder. */
	dispose(): Promise<void>;
}

const PASSWORD = 'sesame';

/** What names begin with that the carrier has on a broker, and those of Moleculer's transporter. */
const EVENTS = 'protected-payment-';
const CALLS = 'MOL-protected-payment-';

async function started<B extends LocalBroker>(
	make: (options: LocalBrokerOptions) => B | Promise<B>,
	port: number,
): Promise<OwnBroker<B>> {
	const server = await ownBroker(make, port);
	await server.up();
	return server;
}

export async function guardedRabbitMq(): Promise<GuardedBroker> {
	const port = await freePort();
	const server = await started((options) => new LocalRabbitMq(options), port);
	await server.evaluate(`ok = rabbit_auth_backend_internal:add_user(<<"shop">>, <<"${PASSWORD}">>, <<"test">>)`);
	const patterns: Partial<Record<Rights, readonly [own: string, write: string]>> = {
		listed: ['^(MOL-)?protected-payment-', '^((MOL-)?protected-payment-|amq\\\\.default$)'],
		'no events': ['^MOL-protected-payment-', '^(MOL-protected-payment-|amq\\\\.default$)'],
		'no calls': ['^protected-payment-', '^(protected-payment-|amq\\\\.default$)'],
	};
	return {
		url: `amqp://shop:${PASSWORD}@127.0.0.1:${port}`,
		env: {},
		allow: async (rights) => {
			const [own, write] = (patterns[rights] ?? []).map((pattern) => `<<"${pattern}">>`);
			await server.evaluate(
				`ok = rabbit_auth_backend_internal:set_permissions(<<"shop">>, <<"/">>, ${own}, ${write}, ${own}, <<"test">>)`,
			);
		},
		refuse: async () => {
			await server.evaluate('rabbit_alarm:set_alarm({{resource_limit, memory, node()}, []})');
		},
		relent: async () => {
			await server.evaluate('rabbit_alarm:clear_alarm({resource_limit, memory, node()})');
		},
		dispose: () => server.dispose(),
	};
}

export async function guardedRedis(): Promise<GuardedBroker> {
	const port = await freePort();
	const server = await started((options) => new LocalRedis(options), port);
	const commands = ['-@all', '+@read', '+@write', '+@pubsub', '+@connection', '+@scripting', '+info', '+time'];
	const events = `~{${EVENTS}*`;
	const calls = `&${CALLS}*`;
	return {
		url: `redis://shop:${PASSWORD}@127.0.0.1:${port}`,
		env: {},
		allow: async (rights) => {
			const places = { listed: [events, calls], 'no events': [calls], 'no calls': [events], 'no groups': [] }[rights];
			await ask(server.url, (client) =>
				client.acl('SETUSER', 'shop', 'reset', 'on', `>${PASSWORD}`, ...places, ...commands),
			);
		},
		refuse: async () => {
			await ask(server.url, (client) => client.config('SET', 'maxmemory', '1'));
		},
		relent: async () => {
			await ask(server.url, (client) => client.config('SET', 'maxmemory', '0'));
		},
		dispose: () => server.dispose(),
	};
}

/** Kafka's own authorizer, behind TLS and a password; who comes by the other door may do everything. */
export async function guardedKafka(): Promise<GuardedBroker> {
	const [port, guarded, controller] = [await freePort(), await freePort(), await freePort()];
	let authority = '';
	const server = await started(async (options) => {
		const { folder } = options;
		const certificates = makeCertificates(folder);
		authority = certificates.authority;
		await writeFile(join(folder, 'ports.json'), JSON.stringify({ controller }));
		const login = `org.apache.kafka.common.security.plain.PlainLoginModule required user_shop="${PASSWORD}";`;
		return new LocalKafka(options, {
			listeners: `PLAINTEXT://127.0.0.1:${port},SASL_SSL://127.0.0.1:${guarded},CONTROLLER://127.0.0.1:${controller}`,
			'advertised.listeners': `PLAINTEXT://127.0.0.1:${port},SASL_SSL://localhost:${guarded}`,
			'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT',
			'sasl.enabled.mechanisms': 'PLAIN',
			'listener.name.sasl_ssl.plain.sasl.jaas.config': login,
			'ssl.keystore.type': 'PEM',
			'ssl.keystore.location': certificates.chain,
			'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
			'super.users': 'User:ANONYMOUS',
		});
	}, port);
	const admin = createClient(parseKafkaUrl(server.url), memoryLog()).admin();
	await admin.connect();
	const shop = { principal: 'User:shop', host: '*', permissionType: AclPermissionTypes.ALLOW };
	const all = { operation: AclOperationTypes.ANY, permissionType: AclPermissionTypes.ANY };
	const prefixed = (resourceName: string) => {
		const named = { resourceName, resourcePatternType: ResourcePatternTypes.PREFIXED, ...shop };
		const { READ, WRITE, CREATE, ALTER } = AclOperationTypes;
		return [
			...[READ, WRITE, CREATE, ALTER].map((operation) => ({
				...named,
				resourceType: AclResourceTypes.TOPIC,
				operation,
			})),
			{ ...named, resourceType: AclResourceTypes.GROUP, operation: READ },
		];
	};
	return {
		url: `kafkas://shop:${PASSWORD}@localhost:${guarded}`,
		env: { NODE_EXTRA_CA_CERTS: authority },
		allow: async (rights) => {
			const acl = {
				listed: [...prefixed(EVENTS), ...prefixed(CALLS)],
				'no events': prefixed(CALLS),
				'no calls': prefixed(EVENTS),
				'no groups': [...prefixed(EVENTS).slice(0, -1), ...prefixed(CALLS)],
			}[rights];
			const each = { resourceType: AclResourceTypes.ANY, resourcePatternType: ResourcePatternTypes.ANY, ...all };
			await admin.deleteAcls({ filters: [each] });
			await admin.createAcls({ acl });
		},
		dispose: async () => {
			await admin.disconnect();
			await server.dispose();
		},
	};
}
