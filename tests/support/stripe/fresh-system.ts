/** How the tests on the stand-in for Stripe begin and end. */
import { afterAll, afterEach, beforeAll, beforeEach } from '@jest/globals';
import type { Application } from '../../../bin/application.ts';
import type { OrderDto } from '../../../services/orders/order-dto.ts';
import { META, startTestApplication } from '../application.ts';
import { startTestDatabase, type TestDatabase } from '../database.ts';
import { StripeStandIn } from './stand-in.ts';

export interface FreshSystem {
	/** one for the file, emptied before each test */
	readonly database: TestDatabase;
	readonly standIn: StripeStandIn;
	readonly application: Application;
	/** Calls an action as an admin. */
	call<T>(action: string, params?: object): Promise<T>;
	/** Creates an order of 19.90 with a card that Stripe takes. */
	place(params?: object): Promise<OrderDto>;
}

/** For each test of the file that calls this a new Stripe and a new application; they end with it. */
export function freshSystem(
	env: Readonly<Record<string, string>> = {},
	options: Parameters<typeof StripeStandIn.open>[0] = { patience: 2_000 },
): FreshSystem {
	let database: TestDatabase;
	let standIn: StripeStandIn;
	let application: Application;
	const call = <T>(action: string, params: object = {}): Promise<T> =>
		application.broker.call(action, params, { meta: META });
	beforeAll(async () => {
		database = await startTestDatabase();
	});
	afterAll(() => database.stop());
	beforeEach(async () => {
		await database.reset();
		standIn = await StripeStandIn.open(options);
		application = await startTestApplication(database, { ...standIn.settings, ...env });
	});
	afterEach(async () => {
		await application.stop();
		await standIn.close();
	});
	return {
		get database() {
			return database;
		},
		get standIn() {
			return standIn;
		},
		get application() {
			return application;
		},
		call,
		place: (params = {}) =>
			call('orders.create', { productName: 'Tea', amount: '19.90', paymentMethod: 'pm_card_visa', ...params }),
	};
}
