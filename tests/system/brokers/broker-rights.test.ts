/** Users of a broker who may do what docs/operations.md lists, and users who lack a part of it. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { kafka } from '../../../bin/brokers/kafka.ts';
import { rabbitmq } from '../../../bin/brokers/rabbitmq.ts';
import { redis } from '../../../bin/brokers/redis.ts';
import { describeBroker } from '../../support/brokers.ts';
import { Client } from '../../support/client.ts';
import { Cluster, healthOf, ready } from '../../support/cluster.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { unfinished } from '../../support/evidence.ts';
import {
	type GuardedBroker,
	guardedKafka,
	guardedRabbitMq,
	guardedRedis,
	type Rights,
} from '../../support/guarded-broker.ts';
import type { Running } from '../../support/process.ts';
import { until } from '../../support/until.ts';

const SAID = {
	amqp: /ACCESS_REFUSED - .*access to (queue|exchange) '.+' in vhost '\/' refused$/,
	redis: /NOPERM this user has no permissions to access one of the (keys|channels) used as arguments$/,
	kafka: /(TOPIC|GROUP|CLUSTER)_AUTHORIZATION_FAILED/,
} as const;

const NO_GROUPS: [Exclude<Rights, 'listed'>, string] = ['no groups', 'carrier'];
const REFUSED = /OOM command not allowed|low on memory/;

for (const [kind, start] of [
	[rabbitmq, guardedRabbitMq],
	[redis, guardedRedis],
	[kafka, guardedKafka],
] as const) {
	await describeBroker(kind, `the rights of a user of ${kind.scheme}`, () => {
		let broker: GuardedBroker;
		let database: TestDatabase;
		let cluster: Cluster;

		beforeAll(async () => {
			[broker, database] = await Promise.all([start(), startTestDatabase()]);
		}, 180_000);
		beforeEach(async () => {
			await database.reset();
			cluster = await Cluster.create(database, broker.url, { ...broker.env, CANCELLATION_WINDOW: '1s' });
		});
		afterEach(() => cluster.dispose(), 60_000);
		afterAll(async () => {
			await Promise.all([database?.stop(), broker?.dispose()]);
		}, 60_000);

		async function endsSoon(running: Running): Promise<void> {
			const begun = performance.now();
			await running.stop();
			expect(performance.now() - begun).toBeLessThan(5_000);
			expect(running.lines.join('\n')).not.toContain('sesame');
		}

		it('are enough as they are listed: orders are carried, and wake in time', async () => {
			await broker.allow('listed');
			const running = cluster.start();
			await ready(running);
			await until(async () => (await healthOf(running)).status === 'ok', 'it has all that it needs');
			await until(() => running.url);
			const client = new Client(cluster.url);
			const { orderId } = await client.create({ productName: 'tea', amount: 1 }, 'rights');
			await until(async () => (await unfinished(cluster)) === 0, 'the order has ended');
			expect(await client.get(orderId ?? '')).toMatchObject({ status: 'Shipped' });
			const metrics = await (await fetch(`${running.probeUrl}/metrics`)).text();
			expect(metrics).toMatch(/orders_confirmed_total\{[^}]*woken_by="carrier"[^}]*\} 1/);
			expect(running.lines.filter((line) => /ERROR|a right is missing/.test(line))).toEqual([]);
			await refusesFor(running, client);
			await endsSoon(running);
		}, 180_000);

		/** While the broker stores nothing, orders are accepted and all else waits; a process that only sends can do nothing. */
		async function refusesFor(running: Running, client: Client): Promise<void> {
			if (broker.refuse === undefined) return;
			const relay = cluster.start('outbox-relay');
			await ready(relay);
			const reasons = async (one: Running): Promise<string> => {
				const { httpStatus, degraded, failing } = await healthOf(one);
				return JSON.stringify([httpStatus, ...degraded, ...failing]);
			};
			await broker.refuse();
			try {
				const { orderId } = await client.create({ productName: 'coffee', amount: 1 }, 'refused');
				await until(
					async () => REFUSED.test(await reasons(running)),
					() => running.lines.join('\n'),
				);
				expect((await healthOf(running)).httpStatus).toBe(200);
				await until(async () => (await healthOf(relay)).httpStatus === 503, 'the relay cannot do its work');
				expect(await reasons(relay)).toMatch(REFUSED);
				expect(orderId).toBeDefined();
			} finally {
				await broker.relent?.();
			}
			let seen = '';
			await until(
				async () => {
					seen = `${await reasons(running)} ${await reasons(relay)}`;
					return (await healthOf(running)).status === 'ok' && (await healthOf(relay)).status === 'ok';
				},
				() => `both have all that they need: ${seen}\n${cluster.lastWords()}`,
				// The other one may have sent what this one was refused; then it remembers the refusal for a minute.
				90_000,
			);
			await until(async () => (await unfinished(cluster)) === 0, 'the order has ended');
			const told = running.lines.filter((line) => REFUSED.test(line)).map((line) => line.replace(/^\[.*?\]/, ''));
			expect(told.length).toBeGreaterThan(0);
			expect(new Set(told).size).toBe(told.length);
		}

		it.each<[Exclude<Rights, 'listed'>, string]>([
			['no events', 'carrier'],
			['no calls', 'transporter'],
			...(kind === kafka ? [NO_GROUPS] : []),
		])(
			'that are missing (%s) are told in the words of the broker, by %s and log, and nothing else is',
			async (rights, part) => {
				await broker.allow(rights);
				const running = cluster.start();
				const told = await until(
					async () => {
						const { failing, degraded } = await healthOf(running);
						const all = [...failing, ...degraded];
						return all.find(({ name, reason }) => name === part && reason.startsWith('a right is missing')) && all;
					},
					() => running.lines.join('\n'),
				);
				expect(told.find(({ name }) => name === part)?.reason).toMatch(SAID[kind.scheme]);
				expect(JSON.stringify(told)).not.toMatch(/refuses the login|127\.0\.0\.1|localhost|shop/);
				const lines = running.lines.filter((line) => line.includes('a right is missing on the broker: '));
				expect(new Set(lines).size).toBe(lines.length);
				expect(lines.length).toBeGreaterThan(0);
				await endsSoon(running);
			},
			120_000,
		);
	});
}
