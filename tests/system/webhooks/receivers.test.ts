/** Endpoints of every temper are told of events, and none keeps another from hearing. */
import { afterAll, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import type { Application } from '../../../bin/application.ts';
import type { OrderDto } from '../../../services/orders/order-dto.ts';
import type { EndpointDto, SecretDto } from '../../../services/webhooks/endpoint-dto.ts';
import { META, startTestApplication } from '../../support/application.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { type Heard, Receiver } from '../../support/receiver.ts';
import { until } from '../../support/until.ts';

jest.setTimeout(120_000);

let database: TestDatabase;
let application: Application;
let receiver: Receiver;

beforeAll(async () => {
	[database, receiver] = await Promise.all([startTestDatabase(), Receiver.open()]);
	application = await startTestApplication(database);
});
afterAll(async () => {
	await application?.stop();
	await receiver?.close();
	await database?.stop();
});
beforeEach(async () => {
	const { data } = await call<{ data: EndpointDto[] }>('webhooks.list');
	for (const { id } of data) await call('webhooks.delete', { id });
});

const call = <T>(action: string, params: object = {}): Promise<T> =>
	application.broker.call(action, params, { meta: META }) as Promise<T>;
const place = (more: object = {}): Promise<OrderDto> =>
	call('orders.create', { productName: 'Tea', amount: '19.90', ...more });
const endpoint = (temper: string, more: object = {}): Promise<SecretDto> =>
	call('webhooks.create', { url: receiver.url(temper), ...more });
const shipped = (id: string): Promise<unknown> =>
	until(async () => (await call<OrderDto>('orders.get', { id })).status === 'Shipped', `${id} is shipped`);

/** A path of its own for each test. */
const own = (temper: string): string => `${temper}/${crypto.randomUUID()}`;

it('a good one hears all that happens to an order, signed, as the history has it', async () => {
	const path = own('good');
	const { secret } = await endpoint(path);
	const { id } = await place();
	await shipped(id);
	const { data: history } = await call<{ data: { id: string; type: string; data: unknown; sequence: number }[] }>(
		'orders.history',
		{ id },
	);
	await until(() => receiver.at(path).length >= history.length, 'all was heard');
	const heard = new Map(receiver.at(path).map((one) => [one.id, one]));
	expect([...heard.keys()].sort()).toEqual(history.map((event) => event.id).sort());
	for (const event of history) {
		const { headers, body } = heard.get(event.id) as Heard;
		expect(headers).toMatchObject({
			'content-type': 'application/cloudevents+json; charset=UTF-8',
			'user-agent': 'Protected-Payment-Webhooks/1',
			'webhook-id': event.id,
		});
		const { type, sequence, data } = event;
		expect(new Webhook(secret).verify(body, headers)).toMatchObject({
			...{ specversion: '1.0', id: event.id, source: '/protected-payment/orders', subject: id, type, sequence },
		});
		expect(JSON.parse(body).data).toEqual(data);
	}
});
