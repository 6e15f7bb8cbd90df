import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import Stripe from 'stripe';
import { seeded } from '../../support/random.ts';
import { CARDS } from '../../support/stripe/cards.ts';
import { createIntent } from '../../support/stripe/intents.ts';
import { parseForm } from '../../support/stripe/params.ts';
import { StripeStandIn } from '../../support/stripe/stand-in.ts';
import { DELIVERIES, Webhooks } from '../../support/stripe/webhooks.ts';
import { until } from '../../support/until.ts';

const SECRETS = ['whsec_new', 'whsec_old'] as const;

let standIn: StripeStandIn;
let endpoint: Server;
/** the ids of the events that were taken */
let taken: string[] = [];
let tries = 0;

/** Checks as an endpoint has to; the first two requests meet an outage. */
async function answer(signature: string, body: string): Promise<number> {
	tries += 1;
	if (tries <= 2) return 503;
	try {
		const event = Stripe.webhooks.constructEvent(body, signature, SECRETS[1]);
		if (event.livemode) return 400;
		taken.push(event.id);
		return 204;
	} catch {
		return 400;
	}
}

beforeEach(async () => {
	[taken, tries] = [[], 0];
	standIn = await StripeStandIn.open({ random: seeded(1) });
	endpoint = createServer(async (req, res) => {
		res.writeHead(await answer(String(req.headers['stripe-signature']), await text(req))).end();
	});
	await new Promise<void>((listening) => endpoint.listen(0, '127.0.0.1', listening));
});
afterEach(async () => {
	await standIn.close();
	endpoint.closeAllConnections();
	endpoint.close();
});

it('the stand-in signs, repeats, doubles and forges its webhooks', async () => {
	const url = `http://127.0.0.1:${(endpoint.address() as AddressInfo).port}`;
	const webhooks = new Webhooks(standIn, {
		...{ url: () => url, secrets: SECRETS, random: seeded(3), share: 0.3, latest: 200 },
	});
	const orders = 20;
	for (let nth = 0; nth < orders; nth += 1) {
		const form = `amount=1000&currency=usd&capture_method=manual&confirm=true&payment_method=${[...CARDS.keys()][0]}`;
		createIntent(standIn.account, parseForm(`${form}&allowed_payment_method_types[0]=card&metadata[order_id]=${nth}`));
	}
	await until(() => webhooks.isIdle);
	expect([...webhooks.answers.keys()].sort()).toEqual([...DELIVERIES].sort());
	expect(webhooks.mistakes).toEqual([]);
	const status = (kind: 'good' | 'forged' | 'stale' | 'mode' | 'stranger'): string[] =>
		Object.keys(webhooks.answers.get(kind) ?? {});
	expect([status('stranger'), status('forged').includes('400'), status('mode').includes('400')]).toEqual([
		...[expect.arrayContaining(['204']), true, true],
	]);
	const lost = webhooks.answers.get('lost')?.[0] ?? 0;
	const heard = standIn.account.events.filter(({ id }) => taken.includes(id)).length;
	expect(heard).toBe(2 * orders - lost);
	const sent = standIn.account.events.map(({ id }) => taken.indexOf(id)).filter((place) => place >= 0);
	expect(sent).not.toEqual(sent.toSorted((a, b) => a - b));
	expect(new Set(taken).size).toBeLessThan(taken.length);
});
