/** `/webhook-endpoints` over HTTP with tokens, at public addresses alone. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Application } from '../../../bin/application.ts';
import type { SecretDto } from '../../../services/webhooks/endpoint-dto.ts';
import { startTestApplication } from '../../support/application.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { SECRET, secretToken } from '../../support/issuer.ts';
import { Receiver } from '../../support/receiver.ts';
import { until } from '../../support/until.ts';

let database: TestDatabase;
let application: Application;
let receiver: Receiver;
let admin: string;
let customer: string;

beforeAll(async () => {
	[database, receiver] = await Promise.all([startTestDatabase(), Receiver.open()]);
	application = await startTestApplication(database, { AUTH: 'jwt', AUTH_JWT_SECRET: SECRET });
	[admin, customer] = await Promise.all([
		secretToken({ sub: 'admin', scope: 'orders:admin' }),
		secretToken({ sub: 'customer' }),
	]);
});
afterAll(async () => {
	await application?.stop();
	await receiver?.close();
	await database?.stop();
});

async function ask(method: string, path: string, body?: unknown, token = admin) {
	const answer = await fetch(`${application.url}/webhook-endpoints${path}`, {
		method,
		headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
		...(body === undefined ? {} : { body: JSON.stringify(body) }),
	});
	const text = await answer.text();
	const json = text === '' ? undefined : JSON.parse(text);
	return { status: answer.status, json, location: answer.headers.get('location') };
}

const URL = 'https://shop.invalid/hooks';
const UNKNOWN = '01a204ea-8b10-7000-8000-0c2f1a7e5d11';

it('an endpoint is made, shown, listed, changed, given another secret, and deleted', async () => {
	const { status, json, location } = await ask('POST', '', { url: URL, types: ['OrderShipped'], description: 'tea' });
	expect([status, location]).toEqual([201, `/webhook-endpoints/${json.id}`]);
	const { secret, ...shown } = json as SecretDto;
	expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
	expect(shown).toEqual({
		...{ id: expect.any(String), url: URL, types: ['OrderShipped'], description: 'tea', status: 'enabled' },
		createdAt: expect.stringMatching(/^\d{4}-.*Z$/),
	});
	expect(await ask('GET', `/${json.id}`)).toMatchObject({ status: 200, json: shown });
	const { json: other } = await ask('POST', '', { url: URL });
	const { json: page } = await ask('GET', '?limit=1');
	expect(page.data.map(({ id }: { id: string }) => id)).toEqual([other.id]);
	expect(await ask('GET', `?limit=1&cursor=${page.nextCursor}`)).toMatchObject({
		...{ status: 200, json: { data: [shown], nextCursor: null } },
	});
	expect(await ask('PATCH', `/${json.id}`, { types: null, status: 'disabled' })).toMatchObject({
		...{ status: 200, json: { ...shown, types: null, status: 'disabled' } },
	});
	const rotated = await ask('POST', `/${json.id}/rotate-secret`);
	expect(rotated).toMatchObject({ status: 200, json: { id: json.id } });
	expect(rotated.json.secret).not.toBe(secret);
	expect(await ask('GET', `/${json.id}/deliveries?status=failed`)).toMatchObject({
		...{ status: 200, json: { data: [], nextCursor: null } },
	});
	expect(await ask('DELETE', `/${json.id}`)).toEqual({ status: 204, json: undefined, location: null });
	expect(await ask('GET', `/${json.id}`)).toMatchObject({ status: 404, json: { code: 'Webhooks.NotFound' } });
});

it.each([
	['POST', '', { url: URL }],
	['GET', '', undefined],
	['GET', `/${UNKNOWN}`, undefined],
	['PATCH', `/${UNKNOWN}`, {}],
	['DELETE', `/${UNKNOWN}`, undefined],
	['POST', `/${UNKNOWN}/rotate-secret`, undefined],
	['GET', `/${UNKNOWN}/deliveries`, undefined],
	['POST', `/${UNKNOWN}/deliveries/${UNKNOWN}/redeliver`, undefined],
])('%s %s is for admins', async (method, path, body) => {
	expect(await ask(method, path, body, customer)).toMatchObject({ status: 403, json: { code: 'Auth.ScopeMissing' } });
	if (path !== '')
		expect(await ask(method, path, body)).toMatchObject({ status: 404, json: { code: 'Webhooks.NotFound' } });
});

it.each<[object, string]>([
	[{ url: 'http://shop.invalid/' }, '#/url'],
	[{ url: 'https://127.0.0.1/' }, '#/url'],
	[{ url: 'https://localhost/' }, '#/url'],
	[{ url: 'https://[::ffff:10.0.0.1]/' }, '#/url'],
	[{ url: 'https://2852039166/' }, '#/url'],
	[{ url: 'https://user:secret@shop.invalid/' }, '#/url'],
	[{ url: 'nonsense' }, '#/url'],
	[{ url: URL, types: ['OrderLost'] }, '#/types'],
	[{ url: URL, id: UNKNOWN }, '#/id'],
	[{ url: URL, description: 'x'.repeat(256) }, '#/description'],
	[{}, '#/url'],
])('%j is refused', async (body, pointer) => {
	const { status, json } = await ask('POST', '', body);
	expect([status, json.code, json.errors[0].pointer]).toEqual([422, 'Validation.Failed', pointer]);
});

it('a private address is refused where it is connected to, too', async () => {
	const { json } = await ask('POST', '', { url: URL, types: ['OrderPending'] });
	// As a name does that led elsewhere when it was set.
	await database.query('UPDATE webhook_endpoints SET url = $2 WHERE id = $1', [
		json.id,
		receiver.url('good').replace('127.0.0.1', 'localhost'),
	]);
	await fetch(`${application.url}/orders`, {
		method: 'POST',
		headers: { authorization: `Bearer ${admin}`, 'content-type': 'application/json' },
		body: '{"productName": "tea", "amount": 1}',
	});
	const delivery = await until(async () => {
		const { json: page } = await ask('GET', `/${json.id}/deliveries`);
		return page.data.find(({ attempts }: { attempts: number }) => attempts > 0);
	}, 'it is tried');
	expect(delivery).toMatchObject({ error: 'its address is a private one, which is not called', responseStatus: null });
	expect(receiver.heard).toEqual([]);
	await database.query('UPDATE webhook_endpoints SET url = $2 WHERE id = $1', [json.id, 'https://[::ffff:127.0.0.1]/']);
	await ask('POST', `/${json.id}/deliveries/${delivery.eventId}/redeliver`);
	await until(async () => (await ask('GET', `/${json.id}/deliveries`)).json.data[0].attempts > 1, 'it is tried again');
	expect(receiver.heard).toEqual([]);
});
