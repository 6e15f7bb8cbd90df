import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { parseSettings, SERVICE_NAMES } from '../../../mixins/settings/settings.ts';
import {
	BROKERS,
	describeCompose,
	OBSERVABILITY,
	PASSWORDS,
	type Project,
	type Service,
	service,
	type Variables,
} from '../../compose/project.ts';
import { ROOT } from '../../support/process.ts';

const URLS = {
	rabbitmq: 'amqp://protected-payment:r-secret-r@broker:5672',
	kafka: 'kafka://broker:19092',
	redis: 'redis://:d-secret-d@broker:6379',
};
const PORTS = { rabbitmq: [5672, 15672], kafka: [9092], redis: [6379] };
const NEEDED = { rabbitmq: ['RABBITMQ_PASSWORD'], kafka: [], redis: ['REDIS_PASSWORD'] };
const MISSING = /required variable (\w+) is missing a value: copy \.env\.example to \.env and set it there/g;
const PUBLIC = 'docker-compose.public.yml';

const text = (name: string): string => readFileSync(join(ROOT, name), 'utf8');

const settingsOf = ({ environment = {} }: Service) =>
	parseSettings(Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, value ?? undefined])));

const published = ({ services }: Project): string[] =>
	Object.entries(services).flatMap(([name, { ports = [] }]) =>
		ports.map(({ host_ip, published, target }) => `${name} ${host_ip}:${published}:${target}`),
	);

const DATABASE = { host: 'postgres', port: 5432, database: 'protected_payment' };

describeCompose('the Compose files', (files) => {
	it.each(BROKERS)('make the whole system with %s', (broker) => {
		const { services, volumes = {} } = files.whole({ BROKER: broker });
		expect(Object.keys(services).sort()).toEqual(['broker', 'migrate', 'postgres', ...SERVICE_NAMES].sort());
		expect(services.broker?.image).toMatch(new RegExp(`^(?:apache/)?${broker}:`));
		expect(Object.keys(volumes).sort()).toEqual(['postgres-data', `${broker}-data`].sort());
	});

	it('take RabbitMQ unless told', () => expect(files.whole()).toEqual(files.whole({ BROKER: 'rabbitmq' })));

	it('know no other broker', () =>
		expect(() => files.whole({ BROKER: 'nats' })).toThrow('docker-compose.nats.yml: no such file'));

	it.each(BROKERS)('give a developer %s alone, beside a system that runs', (broker) => {
		const alone = files.alone(broker);
		const inside = service(files.whole({ BROKER: broker }), 'broker');
		expect(alone.services).toEqual({ broker: inside });
		expect(alone.name).not.toBe(files.whole().name);
	});

	it.each(SERVICE_NAMES)('run %s with settings that it understands, whatever the broker', (name) => {
		for (const broker of BROKERS) {
			expect(settingsOf(service(files.whole({ BROKER: broker }), name))).toMatchObject({
				services: [name],
				database: {
					kind: 'url',
					address: { ...DATABASE, user: 'protected_payment', password: 'p-secret-p' },
				},
				broker: { url: URLS[broker] },
				migrate: false,
				metricsPort: 5301,
			});
		}
	});

	it('pass settings on from .env', () => {
		const given = { CANCELLATION_WINDOW: '90s', HOLD_LIMIT: '2h', DEFAULT_CURRENCY: 'EUR', LOG_LEVEL: 'debug' };
		const read = { cancellationWindow: 90_000, holdLimit: 7_200_000, defaultCurrency: 'EUR', logLevel: 'debug' };
		for (const name of SERVICE_NAMES) expect(settingsOf(service(files.whole(given), name))).toMatchObject(read);
	});

	it('ask for nothing that .env.example does not tell of', () => {
		const own = ['yml', 'public.yml', ...BROKERS.flatMap((broker) => [`${broker}.yml`, `${broker}.env`])];
		const names = [...own.map((name) => `docker-compose.${name}`), OBSERVABILITY];
		const asked = names.flatMap((name) =>
			[...text(name).matchAll(/\$\{(\w+)|^ +([A-Z_]+):$/gm)].map(([, a, b]) => a ?? b),
		);
		const told = [...text('.env.example').matchAll(/^#?([A-Z_]+)=/gm)].map(([, name]) => name);
		expect(asked.length).toBeGreaterThan(10);
		expect([...new Set(asked)].filter((name) => !told.includes(name))).toEqual([]);
	});

	const missingPasswords = (file: string, variables: Variables): string[] =>
		Object.keys(PASSWORDS).filter((name) => {
			try {
				files.load([file], { ...PASSWORDS, ...variables, [name]: '' });
				return false;
			} catch (error) {
				expect(new Set([...String(error).matchAll(MISSING)].map(([, missing]) => missing))).toEqual(new Set([name]));
				return true;
			}
		});

	it.each(BROKERS)('say which password is missing, and need no other (%s)', (broker) => {
		expect(missingPasswords(`docker-compose.${broker}.yml`, {})).toEqual(NEEDED[broker]);
		expect(missingPasswords('docker-compose.yml', { BROKER: broker })).toEqual([
			'POSTGRES_PASSWORD',
			...NEEDED[broker],
		]);
	});

	it('have no password of their own', () => {
		let seen = 0;
		for (const [, { environment = {} }] of files.everywhere()) {
			for (const [name, value] of Object.entries(environment)) {
				if (value === null || name === 'AUTH' || !/secret|pass|auth|url/i.test(name)) continue;
				const own = Object.values(PASSWORDS).reduce((left, given) => left.replaceAll(given, ''), value);
				expect(own).toMatch(/^(?:\w+:\/\/(?:[\w-]*:@)?(?:broker|postgres):\d+(?:\/\w+)?)?$/);
				seen++;
			}
		}
		expect(seen).toBeGreaterThan(20);
	});

	it('publish nothing but the gateway and the broker, and those on 127.0.0.1 alone', () => {
		for (const broker of BROKERS) {
			const its = PORTS[broker].map((port) => `broker 127.0.0.1:${port}:${port}`);
			expect(published(files.alone(broker))).toEqual(its);
			expect(published(files.whole({ BROKER: broker }))).toEqual([...its, 'gateway 127.0.0.1:5300:5300']);
		}
	});

	it('leave out tokens and limits where the gateway is published on this machine alone', () => {
		const gateway = service(files.whole({ GATEWAY_ADDRESS: '192.0.2.1' }), 'gateway');
		expect(gateway.ports).toMatchObject([{ host_ip: '127.0.0.1' }]);
		expect(settingsOf(gateway)).toMatchObject({
			http: { host: '0.0.0.0', port: 5300 },
			access: { auth: { kind: 'off' }, rateLimit: undefined },
		});
	});

	it('publish it on another address with tokens and limits only', () => {
		const open = (variables: Variables): Service =>
			service(files.whole({ GATEWAY_ADDRESS: '192.0.2.1', AUTH: 'off', ...variables }, PUBLIC), 'gateway');
		const { ports } = open({});
		expect(ports).toHaveLength(1);
		expect(ports).toMatchObject([{ host_ip: '192.0.2.1', published: '5300', target: 5300 }]);
		expect(() => files.whole({}, PUBLIC)).toThrow('GATEWAY_ADDRESS');

		const url = 'https://issuer.example/keys';
		const more = { AUTH_ISSUER: 'https://issuer.example/', AUTH_AUDIENCE: 'shop', TRUST_PROXY: '192.0.2.0/24' };
		expect(settingsOf(open({ AUTH_JWKS_URL: url, ...more })).access).toMatchObject({
			auth: { kind: 'jwt', keys: { kind: 'jwks', url }, issuer: more.AUTH_ISSUER, audience: more.AUTH_AUDIENCE },
			rateLimit: { requests: 100, per: 1000 },
			trustProxy: [{ address: '192.0.2.0', prefix: 24 }],
		});
		const secret = 'a'.repeat(32);
		expect(settingsOf(open({ AUTH_JWT_SECRET: secret })).access.auth).toMatchObject({ keys: { secret } });
		expect(() => settingsOf(open({}))).toThrow('lacks the keys of tokens');
	});

	it('let Kafka be found from inside and from this machine, on any port', () => {
		const { environment = {}, ports } = service(files.whole({ BROKER: 'kafka', KAFKA_PORT: '19999' }), 'broker');
		expect(environment.KAFKA_ADVERTISED_LISTENERS).toBe('INSIDE://broker:19092,HOST://127.0.0.1:19999');
		expect(ports).toMatchObject([{ host_ip: '127.0.0.1', published: '19999', target: 9092 }]);
	});

	it("name RabbitMQ's node, to which its data belong", () => {
		const { hostname, environment = {} } = service(files.alone('rabbitmq'), 'broker');
		expect(environment.RABBITMQ_NODENAME).toBe(`rabbit@${hostname}`);
	});
});
