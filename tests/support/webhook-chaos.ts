/** I10 under kills: who asked to be told is told, whatever dies. */
import { setTimeout as pause } from 'node:timers/promises';
import type { BrokerKind } from '../../bin/brokers/local-broker.ts';
import { testBroker } from './broker-kinds.ts';
import { Client } from './client.ts';
import { Cluster, ready } from './cluster.ts';
import { startTestDatabase } from './database.ts';
import { type Running, System } from './process.ts';
import { between, seeded } from './random.ts';
import { Receiver } from './receiver.ts';
import { until } from './until.ts';

/** A system that is hit, and goes on. */
interface Victim {
	readonly url: () => string | undefined;
	sql<R extends object>(text: string): Promise<R[]>;
	/** kills something and starts it again */
	hit(): Promise<void>;
	dispose(): Promise<void>;
}

export interface WebhookChaosReport {
	readonly kills: number;
	readonly events: number;
	/** events that the receiver has answered 2xx to at least once */
	readonly delivered: number;
	/** of these, requests beyond the first one that was answered so */
	readonly doubled: number;
	readonly lost: number;
	/** requests that the receiver refused */
	readonly refused: number;
	/** ms from an event to its first request */
	readonly p50: number;
	readonly p99: number;
}

const SETTINGS = { LOG_LEVEL: 'warn', CANCELLATION_WINDOW: '1s', WEBHOOK_ALLOW_PRIVATE: 'on' };
const TO_THE_END = 180_000;

export async function runWebhookChaos(
	kind: BrokerKind | undefined,
	{ orders, kills, seed }: { readonly orders: number; readonly kills: number; readonly seed: number },
): Promise<WebhookChaosReport> {
	const random = seeded(seed);
	const receiver = await Receiver.open();
	// A third of the events are refused once, and come again by the broker's delay.
	receiver.failsFirst = (id) => Number.parseInt(id.slice(-2), 16) % 3 === 0;
	const victim = await (kind === undefined ? onePlace() : manyProcesses(kind, random));
	const client = new Client(victim.url);
	try {
		// The gateway may not know yet where the webhooks run.
		await until(async () => {
			const made = await fetch(`${victim.url()}/webhook-endpoints`, {
				method: 'POST',
				headers: { 'content-type': 'application/json' },
				body: JSON.stringify({ url: receiver.url('good') }),
			});
			return made.status === 201;
		}, 'the endpoint is made');
		const placing: Promise<unknown>[] = [];
		for (let place = 0; place < orders; place += 1) {
			placing.push(client.create({ productName: `tea ${place}`, amount: 1 }, `hook-${place}`));
			await pause(between(random, 20, 150));
			if ((place + 1) % Math.floor(orders / kills) === 0 && place < orders) await victim.hit();
		}
		await Promise.all(placing);
		const open = `SELECT FROM orders WHERE sweep_at IS NOT NULL`;
		await until(async () => (await victim.sql(open)).length === 0, 'every order has ended', TO_THE_END);
		const events = await victim.sql<{ id: string; at: number }>(
			`SELECT id, (extract(epoch FROM occurred_at) * 1000)::float8 AS at FROM order_events`,
		);
		const heard = (): Map<string, number> => {
			const counts = new Map<string, number>();
			for (const { id, status } of receiver.heard) if (status === 204) counts.set(id, (counts.get(id) ?? 0) + 1);
			return counts;
		};
		await until(() => events.every(({ id }) => heard().has(id)), 'all is heard', TO_THE_END).catch(() => {});
		const counts = heard();
		const first = new Map(receiver.heard.toReversed().map(({ id, at }) => [id, at]));
		const delays = events.flatMap(({ id, at }) => {
			const heardAt = first.get(id);
			return heardAt === undefined ? [] : [heardAt - at];
		});
		delays.sort((a, b) => a - b);
		return {
			kills,
			events: events.length,
			delivered: events.filter(({ id }) => counts.has(id)).length,
			doubled: [...counts.values()].reduce((sum, count) => sum + count - 1, 0),
			lost: events.filter(({ id }) => !counts.has(id)).length,
			refused: receiver.heard.filter(({ status }) => status === 503).length,
			p50: Math.round(delays[Math.floor(delays.length * 0.5)] ?? Number.NaN),
			p99: Math.round(delays[Math.floor(delays.length * 0.99)] ?? Number.NaN),
		};
	} finally {
		client.giveUp();
		await victim.dispose();
		await receiver.close();
	}
}

/** One process on its embedded PostgreSQL. */
async function onePlace(): Promise<Victim> {
	const system = await System.create(SETTINGS);
	let running = await system.up();
	return {
		url: system.url,
		sql: (text) => system.sql(text),
		hit: async () => {
			await running.listening;
			await running.kill();
			running = system.start();
		},
		dispose: () => system.dispose(),
	};
}

const SERVICES = ['gateway', 'orders', 'outbox-relay', 'settlement', 'shipping', 'webhooks', 'webhooks'] as const;

/** Seven processes and their broker; the webhooks are hit most, then the broker. */
async function manyProcesses(kind: BrokerKind, random: () => number): Promise<Victim> {
	const [broker, database] = await Promise.all([testBroker(kind), startTestDatabase()]);
	await broker.up();
	const cluster = await Cluster.create(database, broker.url, { ...SETTINGS, MIGRATE: 'off' });
	const members: { service: string; running: Running }[] = SERVICES.map((service) => ({
		service,
		running: cluster.start(service),
	}));
	await Promise.all(members.map(({ running }) => ready(running)));
	let hits = 0;
	return {
		url: cluster.url,
		sql: (text) => cluster.sql(text),
		hit: async () => {
			hits += 1;
			if (hits % 3 === 0) {
				await broker.kill();
				await broker.up();
				return;
			}
			for (const member of members.filter(({ service }) => service === 'webhooks')) {
				if (random() < 0.3) continue;
				await member.running.kill();
				member.running = cluster.start(member.service);
			}
		},
		dispose: async () => {
			await cluster.dispose();
			await broker.dispose();
			await database.stop();
		},
	};
}
