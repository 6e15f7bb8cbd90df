import { describe, expect, it } from '@jest/globals';
import { type ActionHandler, type ActionSchema, type Context, type Middleware, ServiceBroker } from 'moleculer';
import { READ_POLICY } from '../../../mixins/cluster/call-policies.ts';
import { OnceInTime } from '../../../mixins/cluster/once-in-time.ts';
import { PeerClocks } from '../../../mixins/cluster/peer-clocks.ts';
import { RequestMemory } from '../../../mixins/cluster/request-memory.ts';

describe("another process's clock", () => {
	const of = (time: number, instanceID = 'one') => ({ instanceID, time });

	it('is as its nearest message tells, whatever either machine takes for the time of day', () => {
		const clocks = new PeerClocks();
		clocks.meet('orders-0', of(5_000_000), 100); // 300 ms on its way
		clocks.hear('orders-0', of(5_002_300), 2_100);
		clocks.hear('orders-0', of(5_003_000), 9_100); // held up for 6 s
		expect(clocks.read('orders-0', 9_100)).toEqual(of(5_009_300));
	});

	it('is followed when it has stood still', () => {
		const clocks = new PeerClocks();
		clocks.meet('orders-0', of(0), 0);
		for (let now = 20_000; now <= 42_000; now += 2_000) clocks.hear('orders-0', of(now - 8_000), now);
		expect(clocks.read('orders-0', 42_000)).toEqual(of(34_000));
	});

	it("is another one's when another process has its name, and hears nothing more of the one before", () => {
		const clocks = new PeerClocks();
		clocks.meet('orders-0', of(5_000), 0);
		clocks.meet('orders-0', of(10, 'two'), 0);
		clocks.hear('orders-0', of(9_000), 0);
		expect(clocks.read('orders-0', 0)).toEqual(of(10, 'two'));
		clocks.forget('orders-0');
		expect(clocks.read('orders-0', 0)).toBeUndefined();
	});
});

describe('the memory of requests', () => {
	it('knows one until it is forgotten', () => {
		const memory = new RequestMemory();
		expect(memory.isNew('a', 100, 150, 0)).toBe(true);
		expect(memory.isNew('a', 100, 150, 149)).toBe(false);
		expect(memory.isNew('b', 250, 300, 200)).toBe(true);
		expect(memory.size).toBe(1);
	});

	it('is bounded, and takes what may be a copy of a forgotten one for known', () => {
		const memory = new RequestMemory(3);
		for (const [index, id] of ['a', 'b', 'c', 'd', 'e'].entries())
			expect(memory.isNew(id, 100 + index, 200, index)).toBe(true);
		expect(memory.size).toBe(3);
		for (const [index, id] of ['a', 'b', 'c', 'd', 'e'].entries())
			expect(memory.isNew(id, 100 + index, 200, 5)).toBe(false);
		expect(memory.isNew('f', 105, 205, 5)).toBe(true);
	});
});

interface Hooks {
	created(broker: ServiceBroker): void;
	localAction(next: ActionHandler, action: Partial<ActionSchema>): (ctx: Partial<Context>) => Promise<unknown>;
	transitMessageHandler(next: (command: string, packet: object) => Promise<boolean>): typeof next;
}

/** A process that gets requests. */
function receiver() {
	const broker = new ServiceBroker({ nodeID: 'orders-0', logger: false, skipProcessEventRegistration: true });
	const hooks = new OnceInTime().middleware as Middleware & Hooks;
	hooks.created(broker);
	const receive = hooks.transitMessageHandler(async () => true);
	const request = (beginBy?: object) => ({
		payload: { id: 'x', sender: 'gateway-0', headers: beginBy && { $beginBy: beginBy } },
	});
	const call = hooks.localAction(async () => 'done', { name: 'orders.hold' });
	const read = hooks.localAction(async () => 'done', { name: 'orders.get', retryPolicy: READ_POLICY });
	return { broker, receive, request, call, read };
}

describe('a process that gets a request', () => {
	it('takes it once, and none that was for the process before', async () => {
		const { broker, receive, request } = receiver();
		const mine = request({ instanceID: broker.instanceID, time: performance.now() + 1_000 });
		expect(await receive('REQ', mine)).toBe(true);
		expect(await receive('REQ', mine)).toBe(false);
		expect(await receive('REQ', request({ instanceID: 'before', time: performance.now() + 1_000 }))).toBe(false);
		expect(await receive('RES', mine)).toBe(true);
	});

	it('begins none whose time is over, from others and in itself; reads it begins at any time', async () => {
		const { broker, call, read } = receiver();
		const { instanceID } = broker;
		const from = (nodeID: string, more: object): Partial<Context> => ({ nodeID, locals: {}, headers: {}, ...more });
		const by = (time: number) => from('gateway-0', { headers: { $beginBy: { instanceID, time } } });
		const since = (seconds: number) => {
			const [whole, rest] = process.hrtime();
			return from('orders-0', { startHrTime: [whole - seconds, rest], options: { timeout: 15_000 } });
		};
		expect(await call(by(performance.now() + 1_000))).toBe('done');
		expect(await call(since(9))).toBe('done');
		expect(await call(from('gateway-0', {}))).toBe('done'); // of a version that knows of no times
		await expect(call(by(performance.now() - 1))).rejects.toMatchObject({ code: 503, type: 'CALL_TOO_LATE' });
		await expect(call(since(11))).rejects.toMatchObject({ code: 503, type: 'CALL_TOO_LATE' });
		expect(await read(by(performance.now() - 1))).toBe('done');
	});
});
