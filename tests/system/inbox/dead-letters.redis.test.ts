/** What a stranger has put into a broker is told of: in the table, in the figures, in the log; and the orders go on. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Application } from '../../../bin/application.ts';
import { redis } from '../../../bin/brokers/redis.ts';
import { keysOf } from '../../../mixins/brokers/redis/keys.ts';
import type { DeadLetter } from '../../../mixins/inbox/dead-letters.ts';
import type { OrderDto } from '../../../services/orders/order-dto.ts';
import { CONSUMERS } from '../../../services/topology.ts';
import { META, startTestApplication } from '../../support/application.ts';
import { type TestBroker, testBroker } from '../../support/broker-kinds.ts';
import { describeBroker } from '../../support/brokers.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { ask } from '../../support/redis.ts';
import { until } from '../../support/until.ts';

await describeBroker(redis, 'dead letters of a system on Redis', () => {
	let broker: TestBroker;
	let database: TestDatabase;
	let application: Application;

	beforeAll(async () => {
		broker = await testBroker(redis);
		database = await startTestDatabase();
		await broker.up();
		application = await startTestApplication(database, { BROKER_URL: broker.url });
	}, 120_000);
	afterAll(async () => {
		await application?.stop();
		await Promise.all([database?.stop(), broker?.dispose()]);
	}, 60_000);

	const call = <T>(action: string, params: object): Promise<T> =>
		application.broker.call(action, params, { meta: META });
	const letters = async (): Promise<readonly DeadLetter[]> =>
		(await call<{ data: readonly DeadLetter[] }>('deadletters.list', {})).data;
	const counted = async (group: string): Promise<number> => {
		const { body } = await application.platform.metrics.expose();
		return Number(new RegExp(`^dead_letters_total\\{group="${group}"\\} (\\d+)$`, 'm').exec(body)?.[1]);
	};

	it('count what nobody can read', async () => {
		const { groups } = keysOf(application.broker.namespace, Object.keys(CONSUMERS));
		const stream = groups.find(({ group }) => group === 'settlement')?.stream ?? '';
		expect(await counted('settlement')).toBe(0);
		await ask(broker.url, (client) => client.xadd(stream, '*', 'hello', 'world'));
		const { id } = await call<OrderDto>('orders.create', { productName: 'tea', amount: '1' });
		const [letter] = await until(async () => {
			const found = await letters();
			return found.length === 1 ? found : undefined;
		}, 'it is in the table');
		expect(letter).toMatchObject({
			...{ consumer: 'settlement', key: null, body: '["hello","world"]', attempts: 1 },
			error: 'not understood: no header',
		});
		await until(async () => (await counted('settlement')) === 1, 'it is counted');
		expect(await call('deadletters.replay', {})).toEqual({ replayed: 0 });
		await until(async () => (await call<OrderDto>('orders.get', { id })).status === 'Shipped', 'the order goes on');
	}, 60_000);

	it('are sent again over the broker, and do their work', async () => {
		// Nothing can be handed over, until somebody has mended that.
		await database.query(`
			CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'broken'; END $$;
			CREATE TRIGGER broken BEFORE INSERT ON shipments FOR EACH ROW EXECUTE FUNCTION broken()`);
		const { id } = await call<OrderDto>('orders.create', { productName: 'tea', amount: '1' });
		const isDead = async (): Promise<boolean> =>
			(await letters()).some(({ consumer, key }) => consumer === 'shipping' && key === id);
		const { groups } = keysOf(application.broker.namespace, Object.keys(CONSUMERS));
		const delayed = groups.find(({ group }) => group === 'shipping')?.delayed ?? '';
		await until(async () => {
			await ask(broker.url, (client) => client.zunionstore(delayed, 1, delayed, 'WEIGHTS', 0));
			return isDead();
		}, 'it is set aside');
		await database.query('DROP TRIGGER broken ON shipments');
		// The sweeper may do the work first; whether the message came is seen in the inbox.
		const letter = (await letters()).find(({ consumer, key }) => consumer === 'shipping' && key === id);
		expect(await call('deadletters.replay', { ids: [letter?.id] })).toEqual({ replayed: 1 });
		await until(async () => {
			const handled = await database.query(
				`SELECT FROM inbox_messages WHERE consumer = 'shipping' AND message_id = $1`,
				[letter?.id],
			);
			return handled.length === 1;
		}, 'it is handled');
		await until(async () => (await call<OrderDto>('orders.get', { id })).status === 'Shipped');
		expect(await isDead()).toBe(false);
	}, 90_000);
});
