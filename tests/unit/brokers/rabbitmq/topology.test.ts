import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Channel, Options } from 'amqplib';
import { LEVELS, lengthName, USUAL } from '../../../../mixins/brokers/rabbitmq/delay-ladder.ts';
import { declareTopology, Names } from '../../../../mixins/brokers/rabbitmq/topology.ts';

const NAMES = new Names('test');
const TOPOLOGY = {
	consumers: { deadlines: ['OrderDue'], shipping: ['PaymentCaptured'] },
	types: ['OrderDue', 'PaymentCaptured'],
};

interface Queue {
	readonly durable: boolean | undefined;
	readonly arguments: Readonly<Record<string, unknown>>;
	/** the exchanges that were there before it */
	readonly before: readonly string[];
}

const exchanges: string[] = [];
const queues = new Map<string, Queue>();
const bound = new Set<string>();

beforeAll(async () => {
	const channel = {
		assertExchange: async (name: string, _kind: string, options: Options.AssertExchange) => {
			expect(options.durable).toBe(true);
			exchanges.push(name);
		},
		assertQueue: async (name: string, options: Options.AssertQueue) => {
			queues.set(name, { durable: options.durable, arguments: options.arguments, before: [...exchanges] });
		},
		bindQueue: async (queue: string, exchange: string, key: string) => {
			expect([queues.has(queue), exchanges.includes(exchange)]).toEqual([true, true]);
			bound.add(`${exchange} ${key} ${queue}`);
		},
		bindExchange: async (to: string, from: string) => {
			expect([exchanges.includes(to), exchanges.includes(from)]).toEqual([true, true]);
		},
	};
	await declareTopology(channel as unknown as Channel, NAMES, TOPOLOGY);
});

describe('what is declared on RabbitMQ', () => {
	it('is durable, and every queue a quorum queue whose leader may be on any node', () => {
		for (const { durable, arguments: given } of queues.values()) {
			expect(durable).toBe(true);
			expect(given).toMatchObject({ 'x-queue-type': 'quorum', 'x-queue-leader-locator': 'balanced' });
		}
	});

	it('loses nothing on its way: a queue keeps a message until the next one has it', () => {
		const all = [...queues].filter(([name]) => name !== NAMES.dead);
		expect(all.length).toBeGreaterThan(40);
		for (const [, { arguments: given, before }] of all) {
			expect(given).toMatchObject({ 'x-dead-letter-strategy': 'at-least-once', 'x-overflow': 'reject-publish' });
			expect(before).toContain(given['x-dead-letter-exchange']); // a target that is not there would be waited for
		}
	});

	it('holds all messages of one queue equally long, as long as its name says', () => {
		for (const length of [...LEVELS.flat(), ...USUAL]) {
			expect(queues.get(NAMES.delayQueue(length))?.arguments['x-message-ttl']).toBe(length);
			expect(NAMES.delayQueue(length)).toMatch(new RegExp(`\\.${lengthName(length)}$`));
		}
	});

	it('takes a message away that kills its consumers, to the dead letters', () => {
		for (const group of Object.keys(TOPOLOGY.consumers)) {
			expect(queues.get(NAMES.group(group))?.arguments).toMatchObject({
				'x-dead-letter-exchange': NAMES.dead,
				'x-delivery-limit': 100,
			});
		}
	});

	it('has the arguments that the release before gives it: the broker refuses any other', () => {
		const quorum = { 'x-queue-type': 'quorum', 'x-queue-leader-locator': 'balanced' };
		const safe = { ...quorum, 'x-dead-letter-strategy': 'at-least-once', 'x-overflow': 'reject-publish' };
		const given = (name: string) => queues.get(name)?.arguments;
		const dead = 'test.dead';
		expect(given(dead)).toEqual({ ...quorum, 'x-delivery-limit': 2_147_483_647, 'x-single-active-consumer': true });
		expect(given('test.group.deadlines')).toEqual({ ...safe, 'x-dead-letter-exchange': dead, 'x-delivery-limit': 100 });
		expect(given('test.delay.9m')).toEqual({
			...safe,
			'x-message-ttl': 540_000,
			'x-dead-letter-exchange': 'test.delay.level-11',
		});
	});

	it('gives each group what it takes, at once and at the end of a delay', () => {
		const queue = NAMES.group('deadlines');
		for (const binding of [`${NAMES.events} OrderDue`, `${NAMES.due} #.OrderDue`, `${NAMES.due} #.@deadlines`])
			expect(bound).toContain(`${binding} ${queue}`);
		expect([...bound].filter((one) => one.endsWith(queue) && one.includes('PaymentCaptured'))).toEqual([]);
	});
});
