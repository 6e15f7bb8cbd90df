/** Traces for people. */
import { callOf, type Move, messageOf, orderOf, slotOf, workOf } from './moves.ts';
import { tellMessage } from './names.ts';
import type { State } from './trace.ts';

/** Who a slot or relay of the model is. */
const whoIs = (name: string): string =>
	name.startsWith('h') ? `shipping ${name}` : name.startsWith('r') ? `relay ${name}` : `settlement ${name}`;

const call = (op: string, o: number): string => (op === 'ship' ? `hand order ${o} over` : `${op} order ${o}`);

/** What a slot has in hand after the move, and why. */
function tellWork(move: Move): string {
	const slot = slotOf(move);
	if (slot === undefined) return '';
	const { stage, o, op } = workOf(move.after, slot);
	if (stage === 'send') return `; ${whoIs(slot)} stores the intent to ${call(op, o)}`;
	return stage === 'find' ? `; ${whoIs(slot)} will ask first what became of it: ${call(op, o)}` : '';
}

type Teller = (move: Move, order: number, who: string) => string;

const handled: Teller = (move) => {
	const message = messageOf(move);
	return `${message === undefined ? 'a message' : tellMessage(message)} is handled${tellWork(move)}`;
};

const inVain: Teller = (move) => {
	const message = messageOf(move);
	return `${message === undefined ? 'a message' : tellMessage(message)} is delivered and has nothing to do`;
};

const outcome: Teller = (move, order, who) => {
	const { ans, op } = workOf(move.before, who);
	return `${whoIs(who)} stores what became of its call to ${call(op, order)}: ${ans}${tellWork(move)}`;
};

const arrived: Teller = (move) => {
	const { o, op, from } = callOf(move);
	const answer = from === 'nobody' ? 'nobody waits for the answer' : workOf(move.after, from).ans;
	return `the call to ${call(op, o)} of ${from === 'nobody' ? 'somebody' : whoIs(from)} arrives: ${answer}`;
};

const TELLERS: Readonly<Record<string, Teller>> = {
	Create: ({ what }, order) => `the buyer places order ${order} under key ${what}`,
	CreateAgain: ({ what }) => `the buyer asks again under key ${what}`,
	Cancel: (_, order) => `the buyer cancels order ${order}: yes`,
	Hold: (_, order) => `the buyer pauses order ${order}: yes`,
	Resume: (_, order) => `the buyer resumes order ${order}: yes`,
	Refused: ({ what }, order) => `the buyer asks to ${(what as { name: string }).name} order ${order}: nothing changes`,
	...{ HandleOrderDue: handled, HandleHoldExpired: handled, HandleIntent: handled, HandleRelease: handled },
	...{ HandleRepeat: handled, HandleShip: handled, DeliverInVain: inVain, Acknowledge: inVain },
	HandleEarly: (move, order, who) => `${handled(move, order, who)}: it is early, and armed again`,
	Sweep: (move, order) => `the sweeper finds order ${order}${tellWork(move)}`,
	SweepWithoutSlot: (_, order) => `a sweeper without a free call slot finds order ${order}`,
	SweepShip: (_, order) => `the sweeper asks shipping to look at order ${order}`,
	SweepShipAtOnce: (move, order) => `the sweeper asks shipping to look at order ${order}${tellWork(move)}`,
	SweepInVain: (_, order) => `the sweeper looks at order ${order} and has nothing to do`,
	Send: (move, order, who) => `${whoIs(who)} makes its call to ${call(workOf(move.before, who).op, order)}`,
	Find: (move, order, who) =>
		`${whoIs(who)} asks the provider what became of it (${call(workOf(move.before, who).op, order)}): ${workOf(move.after, who).ans}`,
	GiveUp: (_, __, who) => `the time of ${whoIs(who)} is over, its call is given up`,
	LoseAnswer: (_, __, who) => `${whoIs(who)} gets no answer`,
	Crash: (_, __, who) => `${whoIs(who)} dies`,
	...{ ProviderPerforms: arrived, ParcelTaken: arrived, StoreOutcome: outcome, ShipOutcome: outcome },
	RelayClaim: ({ what, after }) => `relay ${what} claims ${tellMessage(after.relay[String(what)]?.m ?? NOTHING)}`,
	RelayPublish: ({ what, after }) => `relay ${what} publishes ${tellMessage(after.relay[String(what)]?.m ?? NOTHING)}`,
	RelayMark: ({ what, before }) =>
		`relay ${what} marks ${tellMessage(before.relay[String(what)]?.m ?? NOTHING)} as sent`,
	RelayCrash: ({ what }) => `relay ${what} dies`,
	CarrierForgets: () => 'the carrier loses all it holds',
	Purge: () => 'what is old enough is purged',
	Tick: ({ after }) => `the clock goes on to ${after.clock}`,
};

const NOTHING = { type: 'OrderPending', o: 0, n: 0, moment: 0 } as const;

/** What a move is, in one sentence. */
export function tellMove(move: Move): string {
	return TELLERS[move.name]?.(move, orderOf(move), slotOf(move) ?? '') ?? move.name;
}

/** The orders in a state, in one line. */
export function tellState({ clock, ord, pay }: State): string {
	const orders = ord.flatMap(({ st, due }, index) => {
		const { st: payment, op } = pay[index] ?? { st: '?', op: 'none' };
		const open = op === 'none' ? '' : `, ${op} open`;
		return st === 'none' ? [] : [`order ${index + 1} ${st} (due ${due}), payment ${payment}${open}`];
	});
	return [`clock ${clock}`, ...orders].join('; ');
}

/** A story of moves with the states that they lead to. */
export const tellMoves = (moves: readonly Move[], notes: ReadonlyMap<number, string>): string =>
	moves
		.map((move, index) => {
			const note = notes.get(index);
			return `${String(index + 1).padStart(4)}. ${tellMove(move)}${note === undefined ? '' : ` [${note}]`}\n        → ${tellState(move.after)}`;
		})
		.join('\n');
