/** Services as schemas: what mixins may rely on. */
import { describe, expect, it } from '@jest/globals';
import { type Context, ServiceBroker, type ServiceSchema } from 'moleculer';
import { Groups } from '../../mixins/brokers/groups.ts';
import { calls } from '../../mixins/calls/mixin.ts';
import { drainFirst } from '../../mixins/cluster/drain-first.ts';
import { inbox } from '../../mixins/inbox/mixin.ts';
import { outbox } from '../../mixins/outbox/outbox.ts';
import { platformOf } from '../../mixins/platform.ts';
import { defineMixin, defineService, type Mixin } from '../../mixins/service.ts';
import { SchemaValidator } from '../../mixins/validation/schema-validator.ts';
import gateway from '../../services/gateway.service.ts';
import orders from '../../services/orders.service.ts';
import relay from '../../services/outbox-relay.service.ts';
import settlement from '../../services/settlement.service.ts';
import shipping from '../../services/shipping.service.ts';
import { TOPOLOGY } from '../../services/topology.ts';
import webhooks from '../../services/webhooks.service.ts';
import { testBroker, testPlatform } from '../support/platform.ts';

const made = (schema: ServiceSchema) => testBroker(testPlatform({})).createService(schema);

describe('a service', () => {
	it.each(Object.entries({ gateway, orders, relay, settlement, shipping }))('%s is a plain schema', (_, schema) => {
		expect(Object.getPrototypeOf(schema)).toBe(Object.prototype);
		expect(typeof schema.name).toBe('string');
	});

	it('starts its mixins from the last to the first, and stops them from the first to the last', async () => {
		const said: string[] = [];
		const saying = (name: string): Mixin =>
			defineMixin<object>({
				created: () => void said.push(`${name} created`),
				started: () => void said.push(`${name} started`),
				stopped: () => void said.push(`${name} stopped`),
			});
		const { broker } = made(
			defineService({ name: 'three', mixins: [saying('top'), saying('middle'), saying('base')] }),
		);
		await broker.start();
		await broker.stop();
		const all = ['base', 'middle', 'top'];
		const back = all.toReversed();
		expect(said).toEqual([
			...all.map((name) => `${name} created`),
			...all.map((name) => `${name} started`),
			...back.map((name) => `${name} stopped`),
		]);
	});

	it('shares nothing with another of the same schema', () => {
		const [one, other] = [made(shipping), made(shipping)] as unknown as { parcels: object; inbox: object }[];
		expect(one?.parcels).not.toBe(other?.parcels);
		expect(one?.inbox).not.toBe(other?.inbox);
	});

	it('has `this` by its mixins', async () => {
		const counting = (): Mixin<{ counter: { count: number } }> =>
			defineMixin<{ counter: { count: number } }>({
				created() {
					this.counter = { count: 0 };
				},
			});
		const schema = defineService({
			name: 'counter',
			mixins: [counting()],
			actions: {
				add({ params }: Context<{ by: number }>): number {
					return this.plus(params.by);
				},
			},
			methods: {
				plus(by: number): number {
					this.counter.count += by;
					return this.counter.count;
				},
			},
		});
		const { broker } = made(schema);
		await broker.start();
		expect(await broker.call('counter.add', { by: 2 })).toBe(2);
		expect(await broker.call('counter.add', { by: 3 })).toBe(5);
		await broker.stop();
	});

	it('says that its broker has no platform', () => {
		const broker = new ServiceBroker({ logger: false });
		expect(() => broker.createService(shipping)).toThrow('no platform');
		expect(() => platformOf({ broker })).toThrow('moleculer.config.ts');
	});

	it('tells other nodes nothing of its platform', () => {
		const broker = testBroker(testPlatform({}), { validator: new SchemaValidator() });
		for (const schema of [gateway, orders, relay, settlement, shipping]) broker.createService(schema);
		const told = broker.services.map(({ name, settings, metadata }) => ({ name, settings, metadata }));
		expect(JSON.stringify([broker.metadata, told])).toContain('settlement');
		expect(JSON.stringify([broker.metadata, told])).not.toMatch(/nowhere\.invalid|platform/);
	});
});

describe('a mistake in a schema is named where the service is made:', () => {
	const takes = ['OrderShipped'] as const;

	it('a method that an inbox asks for', () => {
		const schema = { name: 'lacks', mixins: [inbox('lacks', { takes, decide: 'thank' })] };
		expect(() => made(defineService(schema))).toThrow('the service lacks has no method thank');
	});

	it('calls without an outbox behind them', () => {
		const perform = async (): Promise<never> => Promise.reject(new Error('never'));
		const options = { perform, settle: 'settle' };
		const methods = { settle: () => null };
		expect(() => made(defineService({ name: 'first', mixins: [outbox(), calls('x', options)], methods }))).toThrow(
			'first: outbox() has to stand behind calls()',
		);
	});

	it('a type that nobody raises, and a group that others know otherwise', () => {
		const groups = new Groups(TOPOLOGY);
		expect(() => groups.declare('new', ['OrderLost'])).toThrow('nobody raises OrderLost, which the group new takes');
		expect(() => groups.declare('shipping', takes)).toThrow('the group shipping takes PaymentCaptured, ShipmentDue');
		groups.declare('shipping', ['ShipmentDue', 'PaymentCaptured']);
		groups.declare('new', takes);
		expect(groups.topology.consumers).toEqual({ ...TOPOLOGY.consumers, new: takes });
	});

	it('the services of the system say what the topology says', () => {
		const groups = new Groups({ ...TOPOLOGY, consumers: {} });
		const broker = testBroker(testPlatform({ groups }));
		for (const schema of [settlement, shipping, webhooks]) broker.createService(schema);
		expect(groups.topology.consumers).toEqual(TOPOLOGY.consumers);
	});
});

it('drains services before the calls under way are waited for, one that is destroyed as well', async () => {
	let release = (): void => {};
	const waiting = {
		name: 'waiting',
		actions: { wait: () => new Promise<void>((resolve) => (release = resolve)) },
		methods: { drain: () => release() },
	};
	for (const end of ['stop', 'destroy'] as const) {
		const tracking = { enabled: true, shutdownTimeout: 60_000 };
		const broker = testBroker(testPlatform({}), { tracking });
		const service = broker.createService(waiting);
		await broker.start();
		const call = broker.call('waiting.wait');
		await (end === 'stop' ? broker.stop() : broker.destroyService(service));
		await call;
		if (end === 'destroy') await broker.stop();
	}
	expect(drainFirst.name).toBe('DrainFirst');
}, 20_000);
