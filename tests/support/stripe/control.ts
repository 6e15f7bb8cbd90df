/** What a test, or a person with curl, tells the stand-in: by HTTP, for the case that it runs as a process of its own. */
import type { ServerResponse } from 'node:http';
import { seeded } from '../random.ts';
import type { EndpointName } from './endpoints.ts';
import { FAULTS, type Fault } from './faults.ts';
import { type Authentication, authenticate } from './intents.ts';
import type { StripeStandIn } from './stand-in.ts';

const OUTCOMES: readonly string[] = ['succeeded', 'failed', 'declined'];

/**
 * `GET /control/book`; `POST /control/…` with a form: `authenticate` (id, outcome), `advance` (ms), `faults` (share,
 * seed, kinds), `fault` (on, kind), `revoke`, `restore`, `limit` (perSecond), `settle-refunds`. Also the page to which
 * the buyer is sent: `GET /redirect/authenticate/{id}`. False where none of these is meant.
 */
export function control(
	standIn: StripeStandIn,
	method: string,
	url: string,
	body: string,
	res: ServerResponse,
): boolean {
	const { pathname } = new URL(url, 'http://stripe.invalid');
	const page = /^\/redirect\/authenticate\/(pi_\w+)$/.exec(pathname)?.[1];
	if (page !== undefined) {
		showPage(standIn, page, method, body, res);
		return true;
	}
	if (!pathname.startsWith('/control/')) return false;
	const command = `${method} ${pathname.slice('/control/'.length)}`;
	const result = run(standIn, command, new URLSearchParams(body));
	res.writeHead(result === undefined ? 404 : 200, { 'content-type': 'application/json' });
	res.end(JSON.stringify(result ?? { error: `unknown: ${command}` }));
	return true;
}

function run(standIn: StripeStandIn, command: string, form: URLSearchParams): object | undefined {
	const number = (name: string): number => Number(form.get(name) ?? Number.NaN);
	switch (command) {
		case 'GET book':
			return { orders: [...standIn.book().values()], faults: standIn.faults.counts, totals: standIn.api.totals };
		case 'POST authenticate': {
			const outcome = form.get('outcome') ?? 'succeeded';
			if (!OUTCOMES.includes(outcome)) return undefined;
			return { done: authenticate(standIn.account, form.get('id') ?? '', outcome as Authentication) };
		}
		case 'POST advance':
			standIn.advance(number('ms'));
			return { now: standIn.account.now() };
		case 'POST faults': {
			const kinds = form.get('kinds')?.split(',').filter(isFault) ?? FAULTS;
			standIn.faults.atRandom({ random: seeded(number('seed')), share: number('share'), kinds });
			return { kinds };
		}
		case 'POST fault': {
			const fault = form.get('kind') ?? '';
			if (!isFault(fault)) return undefined;
			standIn.faults.order(form.get('on') as EndpointName, fault);
			return { fault };
		}
		case 'POST revoke':
			standIn.gate.revoke();
			return {};
		case 'POST restore':
			standIn.gate.restore();
			return {};
		case 'POST limit':
			standIn.gate.limit = number('perSecond');
			return { limit: standIn.gate.limit };
		case 'POST settle-refunds':
			standIn.settleRefunds();
			return {};
		default:
			return undefined;
	}
}

const isFault = (name: string): name is Fault => FAULTS.some((fault) => fault === name);

function showPage(standIn: StripeStandIn, id: string, method: string, body: string, res: ServerResponse): void {
	const intent = standIn.account.intents.get(id);
	if (intent === undefined) {
		res.writeHead(404).end();
		return;
	}
	if (method === 'POST') {
		const outcome = new URLSearchParams(body).get('outcome') === 'succeeded' ? 'succeeded' : 'failed';
		const isDone = authenticate(standIn.account, id, outcome);
		res.writeHead(isDone ? 303 : 409, isDone ? { location: intent.returnUrl ?? '/' } : {}).end();
		return;
	}
	res.writeHead(200, { 'content-type': 'text/html' });
	res.end(
		'<form method="post"><button name="outcome" value="succeeded">Complete</button>' +
			'<button name="outcome" value="failed">Fail</button></form>',
	);
}
