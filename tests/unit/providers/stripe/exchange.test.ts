/** One call is one request with an end, whatever the network does. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { until } from '../../../support/until.ts';
import { intent, request, ScriptedStripe } from './scripted-stripe.ts';

let stripe: ScriptedStripe;

beforeEach(async () => {
	stripe = new ScriptedStripe();
	await stripe.listen();
});
afterEach(() => stripe.close());

const never = new AbortController().signal;
const UNKNOWN = { kind: 'unknown', reason: expect.stringMatching(/^Stripe .*\.$/) };

describe('an abort ends the exchange and gives the connection back', () => {
	it('before the answer', async () => {
		const abort = new AbortController();
		const call = stripe.provider({ timeout: 60_000 }).authorize(request(), abort.signal);
		await until(() => stripe.asked.length === 1);
		abort.abort();
		await expect(call).rejects.toThrow(/abort/);
		await until(() => stripe.cut === 1);
		expect(stripe.asked).toHaveLength(1);
	});

	it('in the middle of the answer', async () => {
		const abort = new AbortController();
		stripe.script = (_, response) => {
			response.writeHead(200).write('{"id": "pi_1",');
			return undefined;
		};
		const call = stripe.provider({ timeout: 60_000 }).find('capture', request({ reference: 'pi_1' }), abort.signal);
		await until(() => stripe.asked.length === 1);
		abort.abort();
		await expect(call).rejects.toThrow(/abort/);
		await until(() => stripe.cut === 1);
	});

	it('of one call, and of no other', async () => {
		const abort = new AbortController();
		const provider = stripe.provider({ timeout: 60_000 });
		stripe.script = ({ form }) => (form.currency === 'eur' ? undefined : { body: intent('processing') });
		const amount = { minor: 1n, currency: 'EUR' };
		const cut = provider.authorize(request({ amount }), abort.signal);
		await until(() => stripe.asked.length === 1);
		const other = provider.authorize(request({ amount }), never);
		await until(() => stripe.asked.length === 2);
		abort.abort();
		await expect(cut).rejects.toThrow(/abort/);
		await until(() => stripe.cut === 1);
		expect(await provider.authorize(request(), never)).toMatchObject({ kind: 'pending' });
		expect(await Promise.race([other, 'still waits'])).toBe('still waits');
		await stripe.close();
		expect(await other).toMatchObject(UNKNOWN);
		stripe = new ScriptedStripe();
		await stripe.listen();
	});
});

describe('without an abort', () => {
	it('an answer that trickles ends with the time-out', async () => {
		stripe.script = (_, response) => {
			response.writeHead(200);
			const drip = setInterval(() => response.write(' '), 20);
			response.on('close', () => clearInterval(drip));
			return undefined;
		};
		expect(await stripe.provider({ timeout: 300 }).authorize(request(), never)).toMatchObject(UNKNOWN);
		await until(() => stripe.cut === 1);
		expect(stripe.asked).toHaveLength(1);
	});

	it.each<[string, (response: ServerResponse) => void]>([
		['a connection that breaks', (response) => response.destroy()],
		[
			'a connection that breaks in the answer',
			(response) => response.writeHead(200).write('{"id"', () => response.destroy()),
		],
		['half an answer', (response) => response.end('{"id": "pi_1", "sta')],
		['a page', (response) => response.writeHead(502).end('<html>Bad Gateway</html>')],
		['nothing', (response) => response.end()],
		[
			'503, to be tried again',
			(response) => response.writeHead(503, { 'Stripe-Should-Retry': 'true' }).end('{"error":{}}'),
		],
	])('%s is unknown, after one request', async (_, answer) => {
		stripe.script = (_asked, response) => {
			answer(response);
			return undefined;
		};
		expect(await stripe.provider().capture(request({ reference: 'pi_1' }), never)).toMatchObject(UNKNOWN);
		expect(stripe.asked).toHaveLength(1);
	});

	it('nobody there is unknown', async () => {
		const provider = stripe.provider();
		await stripe.close();
		expect(await provider.authorize(request(), never)).toMatchObject(UNKNOWN);
		stripe = new ScriptedStripe();
		await stripe.listen();
	});

	it('the key follows no redirect', async () => {
		let visits = 0;
		const other = createServer((_, response) => {
			visits += 1;
			response.end('{}');
		});
		await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
		const location = `http://127.0.0.1:${(other.address() as AddressInfo).port}/`;
		stripe.script = () => ({ status: 307, headers: { Location: location }, body: '' });
		expect(await stripe.provider().authorize(request(), never)).toMatchObject(UNKNOWN);
		expect(visits).toBe(0);
		await new Promise((resolve) => other.close(resolve));
	});
});

describe('the pace', () => {
	it('is kept for each operation by itself', async () => {
		stripe.script = ({ form }) => ({ body: intent('processing', { id: `pi_${form.amount ?? 'x'}` }) });
		const provider = stripe.provider({ callsPerSecond: 3 });
		const times: number[] = [];
		const calls = Array.from({ length: 7 }, async () => {
			await provider.authorize(request(), never);
			times.push(performance.now());
		});
		await provider.capture(request({ reference: 'pi_1' }), never);
		expect(times.length).toBeLessThanOrEqual(3);
		await Promise.all(calls);
		expect(stripe.asked).toHaveLength(8);
		// Three in each second: the fourth waits for the first to be a second old.
		const sent = times.sort((a, b) => a - b);
		expect((sent[6] ?? 0) - (sent[0] ?? 0)).toBeGreaterThan(1_900);
	});

	it('holds no call longer than its signal, and the next ones go on', async () => {
		stripe.script = () => ({ body: intent('processing') });
		const provider = stripe.provider({ callsPerSecond: 1 });
		await provider.authorize(request(), never);
		const abort = new AbortController();
		const waiting = Array.from({ length: 50 }, () => provider.authorize(request(), abort.signal));
		const last = provider.authorize(request(), never);
		abort.abort();
		const results = await Promise.allSettled(waiting);
		expect(results.every(({ status }) => status === 'rejected')).toBe(true);
		expect(await last).toMatchObject({ kind: 'pending' });
		expect(stripe.asked).toHaveLength(2);
	});
});
