/** The whole system in the test's process, anew for each test of a file, on a database that the file's tests share. */
import { afterAll, afterEach, beforeAll, beforeEach } from '@jest/globals';
import type { Application } from '../../bin/application.ts';
import type { OrderDto } from '../../services/orders/order-dto.ts';
import { META, startTestApplication } from './application.ts';
import { startTestDatabase, type TestDatabase } from './database.ts';
import { until } from './until.ts';

export interface FreshSystem {
	readonly database: TestDatabase;
	readonly application: Application;
	/** an action, called by the operator `tester` unless `meta` says otherwise */
	readonly call: <T>(action: string, params: object, meta?: object) => Promise<T>;
	readonly get: (id: string) => Promise<OrderDto>;
	/** an order of tea for 19.90 */
	readonly place: (params?: object) => Promise<OrderDto>;
	/** waits until the order is in this state, or is like this */
	readonly reaches: (id: string, wanted: OrderDto['status'] | Partial<OrderDto>) => Promise<OrderDto>;
	/** stops it, and starts it on what it left */
	readonly restart: (env?: Readonly<Record<string, string>>) => Promise<void>;
}

/** To be called once at the top of a file: it registers what jest does before and after. */
export function freshSystem(env: Readonly<Record<string, string>> = {}): FreshSystem {
	let database: TestDatabase;
	let application: Application;
	beforeAll(async () => {
		database = await startTestDatabase();
	});
	afterAll(() => database.stop());
	beforeEach(async () => {
		await database.reset();
		application = await startTestApplication(database, env);
	});
	afterEach(() => application.stop());

	const call = <T>(action: string, params: object, meta: object = META): Promise<T> =>
		application.broker.call(action, params, { meta });
	const get = (id: string): Promise<OrderDto> => call('orders.get', { id });
	return {
		get database() {
			return database;
		},
		get application() {
			return application;
		},
		call,
		get,
		place: (params = {}) => call('orders.create', { productName: 'Tea', amount: '19.90', ...params }),
		reaches: (id, wanted) => {
			const all = Object.entries(typeof wanted === 'string' ? { status: wanted } : wanted);
			const isSo = (order: OrderDto): boolean => all.every(([name, value]) => order[name as keyof OrderDto] === value);
			return until(
				async () => {
					const order = await get(id);
					return isSo(order) ? order : undefined;
				},
				`${id} is ${JSON.stringify(wanted)}`,
			);
		},
		async restart(other = {}) {
			await application.stop();
			application = await startTestApplication(database, { ...env, ...other });
		},
	};
}
