/** A secret that the system tells over HTTP, wherever it does, is a complaint in the end. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { Client } from '../../support/client.ts';
import { overhearErrors, overhearFigures } from '../../support/overheard.ts';
import { StripeBank } from '../../support/stripe/run.ts';

let bank: StripeBank;
let server: Server;
let says: (req: IncomingMessage, body: string) => string;
let url: string;

beforeEach(async () => {
	bank = await StripeBank.open({ seed: 1, share: 0 });
	says = () => 'well';
	server = createServer(async (req: IncomingMessage, res: ServerResponse) => {
		const body = await text(req);
		res.writeHead(req.url === '/metrics' ? 200 : 400).end(says(req, body));
	});
	await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
	url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
	server.closeAllConnections();
	await new Promise((closed) => server.close(closed));
	await bank.close();
});

async function complaints(): Promise<string[]> {
	await overhearFigures(url, bank.hear);
	await overhearErrors(url, bank.hear);
	await new Client(() => url, 0, bank.hear).once('cancel', 'o1');
	const nothing = { answers: [], orders: [], history: [], operations: [], parcels: [], payments: [] };
	return bank.complaints({ ...nothing, handled: [], armed: [], keys: [] });
}

it('nothing is complained of where none is told', async () => {
	expect(await complaints()).toEqual([]);
	expect(bank.figures.lines).toBeGreaterThan(8);
});

it.each<[string, typeof says]>([
	['in a figure', ({ url }) => (url === '/metrics' ? 'calls{key="sk_test_standin0123456789"} 1' : '')],
	['in what is not ready', ({ url }) => (url === '/health/ready' ? 'whsec_standin_new_7Yq' : '')],
	['in the error of a body', (_, body) => body],
	['in the error of a path', ({ url }) => url ?? ''],
	['in the error of a command', ({ url }) => (url === '/orders/o1/cancel' ? 'pi_1_secret_x' : '')],
])('a secret %s is one', async (_, tells) => {
	says = tells;
	expect((await complaints()).join()).toMatch(/^told /);
});
