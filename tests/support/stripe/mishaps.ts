/** What each fault does to a request. */
import type { ServerResponse } from 'node:http';
import { between } from '../random.ts';
import type { Call } from './api.ts';
import { badGateway, cut, send, trickle } from './delivery.ts';
import type { Fault } from './faults.ts';
import { lapse } from './intents.ts';
import type { StripeStandIn } from './stand-in.ts';

type Mishap = (standIn: StripeStandIn, call: Call, res: ServerResponse) => void;

export const answer: Mishap = ({ api }, call, res) => send(res, call.requestId, api.answer(call));

/** The caller gives up some time; if not, the connection ends after ten times its patience. */
const hang = (standIn: StripeStandIn, res: ServerResponse): void =>
	standIn.later(10 * standIn.faults.patience, () => res.destroy());

const slow: Mishap = (standIn, call, res) => {
	const { api, faults } = standIn;
	const known = api.begin(call);
	if (known !== undefined) send(res, call.requestId, known);
	else standIn.later(faults.beyondPatience(), () => send(res, call.requestId, api.finish(call)));
};

/** A 500 that is kept, of a request that is done all the same after `delay`. Nothing is done twice for it. */
function failAfter({ api, later }: StripeStandIn, call: Call, res: ServerResponse, delay: number): void {
	const failure = api.fail(call);
	send(res, call.requestId, failure);
	if (failure.status !== 500 || failure.headers['idempotent-replayed'] !== undefined) return;
	const work = (): void => {
		try {
			api.perform(call);
		} catch {
			// What the state does not allow is not done.
		}
	};
	if (delay === 0) work();
	else later(delay, work);
}

function lapseSoon(standIn: StripeStandIn, call: Call, isUnseen: boolean): void {
	const orderId = standIn.api.orderOf(call);
	if (orderId === undefined) return;
	const end = (hidden: boolean): void => {
		for (const intent of standIn.intentsOf(orderId)) lapse(standIn.account, intent, hidden);
	};
	const { patience } = standIn.faults;
	const delay = between(standIn.random, 0, 2 * patience);
	standIn.later(delay, () => end(isUnseen));
	if (isUnseen) standIn.later(delay + patience, () => end(false));
}

export const MISHAPS: Readonly<Record<Fault, Mishap>> = {
	'timeout before': (standIn, _, res) => hang(standIn, res),
	'timeout after': (standIn, call, res) => {
		standIn.api.answer(call);
		hang(standIn, res);
	},
	late: (standIn, call, res) => standIn.later(standIn.faults.beyondPatience(), () => answer(standIn, call, res)),
	slow,
	'error before': ({ api }, call, res) => send(res, call.requestId, api.fail(call)),
	'error after': (standIn, call, res) => failAfter(standIn, call, res, 0),
	'error and later': (standIn, call, res) =>
		failAfter(standIn, call, res, between(standIn.random, 1, 3 * standIn.faults.patience)),
	burst: (standIn, call, res) => {
		standIn.gate.burst(call.endpoint.name, between(standIn.random, 100, standIn.faults.patience));
		answer(standIn, call, res);
	},
	revoked: (standIn, call, res) => {
		standIn.gate.revoke(between(standIn.random, 500, 3_000));
		answer(standIn, call, res);
	},
	cut: ({ api }, call, res) => cut(res, call.requestId, api.answer(call)),
	trickle: ({ api }, call, res) => trickle(res, call.requestId, api.answer(call)),
	reset: ({ api }, call, res) => {
		api.answer(call);
		res.destroy();
	},
	gateway: (_, _call, res) => badGateway(res),
	lapse: (standIn, call, res) => {
		answer(standIn, call, res);
		lapseSoon(standIn, call, false);
	},
	'unseen lapse': (standIn, call, res) => {
		answer(standIn, call, res);
		lapseSoon(standIn, call, true);
	},
};
