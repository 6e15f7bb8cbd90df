/** Each move as a call of the real code. */
import type { Finding } from '../../domain/provider.ts';
import { SECOND } from '../../domain/time.ts';
import { purge } from '../../mixins/outbox/retention.ts';
import type { TransactionName } from '../../mixins/runtime/crash-points.ts';
import { create, give, refuse } from './buyer.ts';
import { Difference } from './difference.ts';
import { callOf, idleSlot, type Move, messageOf, orderOf, slotOf, workOf } from './moves.ts';
import { type Consumer, consumerOf } from './names.ts';
import type { ProcessDatabase } from './process.ts';
import type { Fate } from './slot.ts';
import type { Message, Work } from './trace.ts';
import type { World } from './world.ts';

export interface Deed {
	/** the transaction that it is, and whose */
	readonly transaction?: { readonly name: TransactionName; readonly database: ProcessDatabase };
	/** who does it */
	readonly who: string;
	/** passes over an order that is locked, instead of waiting for it */
	readonly passesOver?: boolean;
	/** can be done again if it dies before its commit */
	readonly repeatable?: boolean;
	/** waits for a back-off or a grace first; both are far shorter than a tick */
	readonly waits?: boolean;
	/** does it, and resolves when it is committed and has gone as far as the model says */
	readonly run: () => Promise<unknown>;
}

/** Longer than any back-off (60 s) and the sweeper's grace (3 s). */
export const A_WHILE = 65 * SECOND;

/** Processes beside the model's slots: for what takes no call slot. */
const SPARE: Readonly<Record<Consumer, string>> = { deadlines: 'spare', settlement: 'spare', shipping: 'h spare' };

const HANDLES: Readonly<Record<Consumer, TransactionName>> = {
	deadlines: 'deadlines.handle',
	settlement: 'settlement.handle',
	shipping: 'shipping.handle',
};

/** `spare` tells apart the spare processes of two deeds that overlap. */
type Doing = (world: World, move: Move, spare: number) => Promise<Deed>;

/** A message is delivered, to the slot that takes up a call or to a spare process. */
const handle: Doing = async (world, move, spare) => {
	const message = messageOf(move);
	if (message === undefined) throw new Error(`${move.name} of no message`);
	const consumer = consumerOf(message);
	const taker = slotOf(move);
	const who = taker ?? `${SPARE[consumer]} ${spare}`;
	const slot = await world.slot(who);
	const name = HANDLES[consumer];
	const delivery = world.held.delivery(world.names.idOf(message));
	return {
		who,
		transaction: { name, database: slot.database },
		repeatable: true,
		waits: move.name === 'HandleRepeat' || move.name === 'HandleShip',
		run: () => slot.takeUp(name, taker !== undefined, () => slot.deliver(consumer, delivery)),
	};
};

/** One look of the sweeper, at this order and no other, which has waited long enough. */
async function look(world: World, order: number, sweep: () => Promise<unknown>): Promise<void> {
	const id = world.names.orders[order - 1];
	const shift = (by: string): Promise<unknown> =>
		world.server.query(`UPDATE orders SET sweep_at = sweep_at ${by} interval '100 days' WHERE id <> $1`, [id]);
	await shift('+');
	await world.server.query(
		`UPDATE orders SET sweep_at = statement_timestamp() - interval '1 second', confirmed_at = confirmed_at - interval '1 minute'
			WHERE id = $1 AND sweep_at IS NOT NULL`,
		[id],
	);
	try {
		await sweep();
	} finally {
		await shift('-');
	}
}

const sweep =
	(hasSlot: boolean): Doing =>
	async (world, move, spare) => {
		const taker = slotOf(move);
		const who = taker ?? (hasSlot ? idleSlot(move.before, 's') : undefined) ?? `spare ${spare}`;
		const slot = await world.slot(who);
		const begin = async (): Promise<unknown> => {
			const sweeper = slot.sweeper(hasSlot);
			await sweeper.lookBack(); // time has passed by taking the orders' moments back
			return sweeper.sweep();
		};
		const kind = { who, passesOver: true, waits: true };
		// It may have no transaction.
		if (move.name === 'SweepInVain') return { ...kind, run: () => look(world, orderOf(move), begin) };
		return {
			...kind,
			transaction: { name: 'settlement.sweep', database: slot.database },
			repeatable: true,
			run: () => look(world, orderOf(move), () => slot.takeUp('settlement.sweep', taker !== undefined, begin)),
		};
	};

/** The sweeper asks shipping, and where no messages take part its message is delivered at once. */
const sweepShipAtOnce: Doing = async (world, move, spare) => {
	const who = slotOf(move) ?? '';
	const slot = await world.slot(who);
	const asking = await sweep(true)(world, { ...move, after: move.before }, spare);
	const run = async (): Promise<void> => {
		const known = new Set(world.held.ids);
		await asking.run();
		await world.forward();
		const asked = world.held.ids
			.map((id) => world.held.delivery(id))
			.find(({ id, type }) => type === 'ShipmentDue' && !known.has(id));
		if (asked === undefined) throw new Difference('the sweeper does not ask shipping');
		await slot.takeUp('shipping.handle', true, () => slot.deliver('shipping', asked));
	};
	return { who, waits: true, run };
};

const send: Doing = async (world, move) => {
	const who = slotOf(move) ?? '';
	const slot = await world.slot(who);
	const run = async (): Promise<void> => {
		const ask = await slot.send();
		const { o, op } = workOf(move.before, who);
		const expected = op === 'ship' ? 'hand over' : op === 'authorise' ? 'authorize' : op;
		if (ask.name !== expected || ask.orderId !== world.names.orders[o - 1])
			throw new Difference(`the model calls ${expected} of order ${o}, the code ${ask.name} of ${ask.orderId}`);
		const [call] = move.after.net.filter(({ from }) => from === who);
		if (call === undefined) throw new Error('nothing was sent');
		world.travelling.push({ call, ask });
	};
	return { who, run };
};

const find: Doing = async (world, move) => {
	const who = slotOf(move) ?? '';
	const slot = await world.slot(who);
	const run = async (): Promise<void> => {
		const ask = await slot.find();
		const found = (await ask.perform()) as Finding;
		const { stage, ans } = workOf(move.after, who);
		const expected = stage === 'answer' && ans !== 'person';
		const isOutcome = found.kind !== 'notDone' && found.kind !== 'notFound';
		if (isOutcome !== expected)
			throw new Difference(`find: ${expected ? ans : 'nothing'} in the model, ${JSON.stringify(found)} in the code`);
		if (stage === 'answer') slot.decide('answered');
	};
	return { who, run };
};

/** Where the call was when its answer became impossible. */
const fateOf = ({ stage }: Work): Fate => (stage === 'send' || stage === 'find' ? 'not sent' : 'lost');

const lose: Doing = async (world, move) => {
	const who = slotOf(move) ?? '';
	const slot = await world.slot(who);
	return {
		who,
		run: async () => {
			slot.decide(fateOf(workOf(move.before, who)));
			orphan(world, who);
		},
	};
};

/** Nobody waits for these calls any more; they may still arrive. */
function orphan(world: World, who: string): void {
	world.travelling = world.travelling.map((one) =>
		one.call.from === who ? { ...one, call: { ...one.call, from: 'nobody' } } : one,
	);
}

const KINDS: Readonly<Record<string, string>> = {
	...{ Authorized: 'succeeded', Captured: 'succeeded', Voided: 'succeeded', Taken: 'succeeded' },
	...{ Declined: 'declined', Refused: 'refused' },
};

/** A call arrives. Calls that the model cannot tell apart arrive together. */
const arrive: Doing = async (world, move) => {
	const call = callOf(move);
	const isIt = ({ call: other }: World['travelling'][number]): boolean =>
		other.o === call.o && other.op === call.op && other.from === call.from && other.by === call.by;
	const arriving = world.travelling.filter(isIt);
	const run = async (): Promise<void> => {
		if (arriving.length === 0) throw new Error('this call was never sent');
		world.travelling = world.travelling.filter((one) => !isIt(one));
		for (const { ask } of arriving) {
			const outcome = (await ask.perform()) as { readonly kind: string };
			if (call.from === 'nobody') continue;
			const { ans } = workOf(move.after, call.from);
			const told = outcome.kind === 'gone' && ans === 'Voided' ? 'succeeded' : outcome.kind;
			if (told !== KINDS[ans]) throw new Difference(`the provider answers ${ans} in the model, ${told} in the code`);
			(await world.slot(call.from)).decide('answered');
		}
	};
	return { who: call.from, run };
};

const store =
	(name: TransactionName): Doing =>
	async (world, move) => {
		const who = slotOf(move) ?? '';
		const slot = await world.slot(who);
		const hadTime = move.before.clock < workOf(move.before, who).till;
		const holds = workOf(move.after, who).stage !== 'idle';
		return {
			who,
			transaction: { name, database: slot.database },
			run: () => slot.storeOutcome(name, hadTime, holds),
		};
	};

const crash: Doing = async (world, move) => {
	const who = slotOf(move) ?? '';
	const run = async (): Promise<void> => {
		world.kill(who);
		orphan(world, who);
	};
	return { who, run };
};

/** The relay of the model, by its name. */
const relay =
	(act: (relay: ReturnType<World['relay']>, id: string) => Promise<void> | void): Doing =>
	async (world, move) => {
		const who = String(move.what);
		const message = (move.after.relay[who]?.m.o ?? 0) > 0 ? move.after.relay[who]?.m : move.before.relay[who]?.m;
		const known = move.name === 'RelayClaim' ? undefined : world.relays.get(who);
		const run = async (): Promise<void> => {
			await act(known ?? world.relay(who), world.names.idOf(message as Message));
		};
		return { who, run };
	};

const plain =
	(who: string, run: (world: World, move: Move) => Promise<unknown>): Doing =>
	async (world, move) => ({ who, run: () => run(world, move) });

/** A command of the buyer on one order. */
const command: Doing = async (world, move) => ({
	who: 'buyer',
	transaction: { name: 'orders.change', database: world.buyer },
	repeatable: true,
	// The new due is another moment than the old one, if by a millisecond.
	waits: move.name === 'Resume',
	run: () => (move.name === 'Refused' ? refuse(world, move) : give(world, move)),
});

/** The model purges what was sent or handled at any age; the code waits for RETENTION, so rows are made old enough. */
async function purgeAll(world: World): Promise<void> {
	const { retention, server } = world;
	const age = (table: string, column: string): Promise<unknown> =>
		server.query(`UPDATE ${table} SET ${column} = ${column} - $1::float8 * interval '1 ms'`, [retention + 1]);
	await age('outbox_messages', 'sent_at');
	await age('inbox_messages', 'handled_at');
	await purge(server.database, retention);
}

const forget = async (world: World): Promise<void> => {
	for (const id of world.held.ids) world.held.drop(id);
};

const DOINGS: Readonly<Record<string, Doing>> = {
	Create: plain('buyer', create),
	CreateAgain: plain('buyer', create),
	...{ Cancel: command, Hold: command, Resume: command, Refused: command },
	...{ HandleOrderDue: handle, HandleHoldExpired: handle, HandleEarly: handle, HandleIntent: handle },
	...{ HandleRelease: handle, HandleRepeat: handle, HandleShip: handle, DeliverInVain: handle, Acknowledge: handle },
	...{ Sweep: sweep(true), SweepShip: sweep(true), SweepInVain: sweep(true), SweepWithoutSlot: sweep(false) },
	SweepShipAtOnce: sweepShipAtOnce,
	...{ Send: send, Find: find, GiveUp: lose, LoseAnswer: lose, Crash: crash },
	...{ ProviderPerforms: arrive, ParcelTaken: arrive },
	...{ StoreOutcome: store('settlement.outcome'), ShipOutcome: store('shipping.outcome') },
	RelayClaim: relay((one, id) => one.claim(id)),
	RelayPublish: relay((one) => one.publish()),
	RelayMark: relay((one) => one.mark()),
	RelayCrash: relay((one) => one.die()),
	CarrierForgets: plain('carrier', forget),
	Purge: plain('purge', purgeAll),
	Tick: plain('clock', (world) => world.tick()),
};

/** What the real code does for a move. */
export function deedOf(world: World, move: Move, spare = 1): Promise<Deed> {
	const doing = DOINGS[move.name];
	if (doing === undefined) throw new Error(`nobody knows how to do ${move.name}`);
	return doing(world, move, spare);
}
