/** What the carrier says and does while RabbitMQ refuses it something: to store, or for want of a right. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import { rabbitmq } from '../../../bin/brokers/rabbitmq.ts';
import { SECOND } from '../../../domain/time.ts';
import type { Failure } from '../../../mixins/brokers/carrier.ts';
import { RabbitMqCarrier } from '../../../mixins/brokers/rabbitmq/carrier.ts';
import { describeBroker } from '../../support/brokers.ts';
import { machineClock } from '../../support/clock.ts';
import { PATIENCE, until } from '../../support/until.ts';
import { Bench, Collector, TOPOLOGY, toMessage, toMessages } from '../carrier-bench.ts';
import { PREFIX, rabbitMqHarness } from './harness.ts';

const ALARM = '{{resource_limit, memory, node()}, []}';

jest.setTimeout(3 * PATIENCE);

await describeBroker(rabbitmq, 'a RabbitMQ that refuses', () => {
	const harness = rabbitMqHarness();
	let bench: Bench;

	beforeAll(() => harness.start());
	afterAll(() => harness.stop());
	beforeEach(async () => {
		bench = await Bench.open(harness);
	});
	afterEach(() => bench.close());

	it('respects a broker that is short of memory: publishes nothing, consumes on, closes', async () => {
		const carrier = new RabbitMqCarrier(bench.space.address, TOPOLOGY, bench.log, {
			prefix: PREFIX,
			clock: machineClock,
		});
		const waiting = toMessages(5);
		await carrier.publish(waiting);
		await harness.server().evaluate(`rabbit_alarm:set_alarm(${ALARM})`);
		try {
			const begun = performance.now();
			await expect(carrier.publish([toMessage()])).rejects.toThrow(/takes no messages/);
			expect(performance.now() - begun).toBeLessThan(9 * SECOND); // it said so, nothing ran out
			await expect(carrier.publish([toMessage()])).rejects.toThrow(/takes no messages now: /);
			expect(carrier.waitsFor).toBe('the broker is short of memory or disk: low on memory');
			const collector = new Collector();
			carrier.subscribe('first', collector.handle);
			await collector.hasHandled(waiting);
			const other = bench.open();
			await expect(other.publish([toMessage()])).rejects.toThrow(/takes no messages/);
			await other.close();
			await harness.server().evaluate(`rabbit_alarm:clear_alarm(${ALARM.slice(1, -5)})`);
			const after = toMessages(3);
			await bench.publish(carrier, after);
			await collector.hasHandled(after);
			expect(carrier.waitsFor).toBeUndefined();
		} finally {
			await carrier.close();
			await harness.server().evaluate(`rabbit_alarm:clear_alarm(${ALARM.slice(1, -5)})`);
		}
	});

	it('says that a queue is full from the first message that it refuses until it takes one', async () => {
		const carrier = new RabbitMqCarrier(bench.space.address, TOPOLOGY, bench.log, {
			prefix: PREFIX,
			clock: machineClock,
		});
		try {
			await bench.publish(carrier, toMessages(3, { type: 'Beta' }));
			const vhost = new URL(bench.space.address).pathname.slice(1);
			await harness
				.server()
				.evaluate(
					`rabbit_policy:set(<<"${vhost}">>, <<"small">>, <<"group.first$">>, [{<<"max-length">>, 2}], 0, <<"queues">>, <<"test">>)`,
				);
			let refused: readonly Failure[] = [];
			await until(async () => {
				refused = await carrier.publish(toMessages(3, { type: 'Beta' }));
				return refused.length > 0;
			});
			expect(refused[0]?.error).toBe('refused: RabbitMQ could not store it');
			const reason = 'the broker takes no messages: basic.nack, a queue is full or cannot store them';
			expect(carrier.waitsFor).toBe(reason);
			await carrier.publish(toMessages(3, { type: 'Delta' })); // which go elsewhere
			expect(carrier.waitsFor).toBe(reason);
			expect(bench.log.lines.filter((line) => line === `warn ${reason}`)).toHaveLength(1);
			const collector = new Collector();
			carrier.subscribe('first', collector.handle);
			await bench.drained('first');
			await until(async () => (await carrier.publish([toMessage({ type: 'Beta' })])).length === 0);
			expect(carrier.waitsFor).toBeUndefined();
		} finally {
			await carrier.close();
		}
	});

	it.each([
		['configure', '^$', '.*', '.*', /ACCESS_REFUSED - access to .+ refused$/],
		[
			'write',
			'.*',
			'^suite.(group|delay)',
			'.*',
			/ACCESS_REFUSED - access to (queue|exchange) 'suite.dead' in vhost '.+' refused$/,
		],
		[
			'read',
			'.*',
			'.*',
			'^suite.(events|due|delay|dead)',
			/ACCESS_REFUSED - access to queue 'suite.group.first' in vhost '.+' refused$/,
		],
	])('says that a user may not %s, in its words, and closes', async (name, configure, write, read, words) => {
		const vhost = new URL(bench.space.address).pathname.slice(1);
		const patterns = [configure, write, read].map((pattern) => `<<"${pattern}">>`).join();
		await harness.server().evaluate(`
			ok = rabbit_auth_backend_internal:add_user(<<"${name}">>, <<"sesame">>, <<"test">>),
			ok = rabbit_auth_backend_internal:set_permissions(<<"${name}">>, <<"${vhost}">>, ${patterns}, <<"test">>)`);
		const address = new URL(bench.space.address);
		Object.assign(address, { username: name, password: 'sesame' });
		const carrier = new RabbitMqCarrier(address.href, TOPOLOGY, bench.log, { prefix: PREFIX, clock: machineClock });
		carrier.subscribe('first', new Collector().handle);
		await until(() => carrier.waitsFor?.startsWith('a right is missing on the broker: '));
		expect(carrier.waitsFor).toMatch(words);
		await until(() => bench.log.lines.includes(`warn ${carrier.waitsFor}`));
		expect(bench.log.lines.join('\n')).not.toContain('sesame');
		const begun = performance.now();
		await carrier.close();
		expect(performance.now() - begun).toBeLessThan(5 * SECOND);
	});

	it('says that a user may not enter the virtual host', async () => {
		await harness
			.server()
			.evaluate('ok = rabbit_auth_backend_internal:add_user(<<"stranger">>, <<"sesame">>, <<"test">>)');
		const address = new URL(bench.space.address);
		Object.assign(address, { username: 'stranger', password: 'sesame' });
		const carrier = new RabbitMqCarrier(address.href, TOPOLOGY, bench.log, { prefix: PREFIX, clock: machineClock });
		await until(() => carrier.waitsFor !== 'the broker was not reached yet');
		expect(carrier.waitsFor).toMatch(
			/^a right is missing on the broker: NOT_ALLOWED - there is no such virtual host, or access to it is refused$/,
		);
		await carrier.close();
	});
});
