/** The requests for editors in docs/orders.http, each one really sent, each answer held against the document. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Application } from '../../../bin/application.ts';
import { compile, type Schema } from '../../../mixins/validation/json-schema.ts';
import { DOCUMENTS, ROUTES } from '../../../services/gateway/http/routes.ts';
import { SCHEMAS } from '../../../services/gateway/openapi/schemas.ts';
import { startTestApplication } from '../../support/application.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { ROOT } from '../../support/process.ts';
import { until } from '../../support/until.ts';

interface Written {
	readonly title: string;
	readonly method: string;
	readonly target: string;
	readonly headers: Readonly<Record<string, string>>;
	readonly body: string | null;
}

/** Sections begin with ###; comments and variables are left out. */
function requestsOf(text: string): Written[] {
	return text
		.split(/^### /m)
		.slice(1)
		.map((section) => {
			const [title = '', ...rest] = section.split('\n');
			const lines = rest.filter((line) => !/^[#@]/.test(line));
			const start = lines.findIndex((line) => /^(GET|POST|PATCH) /.test(line));
			const [method = '', target = ''] = (lines[start] ?? '').split(' ');
			const blank = lines.indexOf('', start);
			const end = blank < 0 ? lines.length : blank;
			const fields = lines.slice(start + 1, end).map((line) => line.split(': ', 2) as [string, string]);
			const body = lines.slice(end).join('\n').trim();
			return { title, method, target, headers: Object.fromEntries(fields), body: body === '' ? null : body };
		});
}

const REQUESTS = requestsOf(readFileSync(join(ROOT, 'docs/orders.http'), 'utf8'));

let database: TestDatabase;
let application: Application;
beforeAll(async () => {
	database = await startTestDatabase();
	application = await startTestApplication(database, { CANCELLATION_WINDOW: '10m' });
});
afterAll(async () => {
	await application.stop();
	await database.stop();
});

/** Refers to other schemas by their text. */
const whole = (schema: Schema): Schema =>
	JSON.parse(
		JSON.stringify(schema).replace(/\{"\$ref":"#\/components\/schemas\/(\w+)"\}/g, (_, name: keyof typeof SCHEMAS) =>
			JSON.stringify(SCHEMAS[name]),
		),
	);

function schemaOf(path: string): Schema | undefined {
	if (/^\/($|openapi|metrics|problems)/.test(path)) return undefined;
	if (path.startsWith('/health/')) return path.endsWith('live') ? SCHEMAS.Alive : SCHEMAS.Readiness;
	if (path.includes('/refunds')) return whole(SCHEMAS.RefundList);
	if (path.includes('/history')) return whole(SCHEMAS.History);
	return /^\/orders(\?|$)/.test(path) ? whole(SCHEMAS.OrderPage) : SCHEMAS.Order;
}

it('has requests for every operation that people use', () => {
	const written = REQUESTS.map(
		({ method, target }) =>
			`${method} ${target.replace('{{host}}', '').replace('{{shipped}}', '{{id}}').split('?')[0]}`,
	);
	// Stripe sends to the first, browsers ask for the next two; endpoints need a receiver, which README shows.
	const isForOthers = (path: string): boolean => /^\/(webhooks|sandbox|console|webhook-endpoints)(\/|$)/.test(path);
	const routes = ROUTES.filter(({ path }) => !path.startsWith(DOCUMENTS.reference) && !isForOthers(path));
	expect(new Set(written)).toEqual(
		new Set(routes.map(({ method, path }) => `${method} ${path.replace(/\{\w+\}/, '{$&}')}`)),
	);
});

const statusOf = async (id: string): Promise<string> =>
	((await (await fetch(`${application.url}/orders/${id}`)).json()) as { status: string }).status;

it('each is answered as the document says', async () => {
	const ids: string[] = [];
	for (const { title, method, target, headers, body } of REQUESTS) {
		const path = target
			.replace('{{host}}', '')
			.replace('{{id}}', ids[0] ?? '')
			.replace('{{shipped}}', ids[1] ?? '')
			.replace('{{slug}}', 'orders.window-closed');
		// The second order ships after five seconds.
		if (path.includes('/refunds')) await until(async () => (await statusOf(ids[1] ?? '')) === 'Shipped');
		const answer = await fetch(`${application.url}${path}`, { method, headers, body });
		if (answer.headers.get('content-type') === 'text/event-stream') {
			await answer.body?.cancel(); // it has no end
			continue;
		}
		const text = await answer.text();
		expect([title, answer.ok, text]).toEqual([title, true, text]);
		const created = method === 'POST' && path === '/orders';
		const refunded = method === 'POST' && path.endsWith('/refunds');
		const schema = created ? SCHEMAS.Order : refunded ? SCHEMAS.Refund : schemaOf(path);
		if (schema !== undefined) expect([title, compile(schema)(JSON.parse(text))]).toEqual([title, true]);
		if (created) ids.push((JSON.parse(text) as { id: string }).id);
	}
}, 90_000);
