/** Thousands of buyers who change their minds at the last moment, or a moment too late. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type Answer, Client, type Command } from '../../support/client.ts';
import { census, collect, type Evidence, laggards, strangeAnswers, unfinished } from '../../support/evidence.ts';
import { violations } from '../../support/invariants.ts';
import { System } from '../../support/process.ts';
import { between, seeded } from '../../support/random.ts';
import { until } from '../../support/until.ts';

const ORDERS = 2_000;
/** So many place orders, each with a pause between two: a crowd would come too late, all of it. */
const PLACING = 10;
const PAUSE = 60;
const WINDOW = 4_000;
/** Requests are fired from so long before the due moment to so long after it. */
const SPREAD = 300;

type Race = 'cancel' | 'hold' | 'hold and resume' | 'resume' | 'crowd';

/** In which shares the orders are fought over. */
const RACES: readonly Race[] = ['cancel', 'cancel', 'cancel', 'hold', 'hold', 'hold and resume', 'resume', 'crowd'];

/** What a crowd shouts at the same time. */
const CROWD: readonly Command[] = ['cancel', 'hold', 'cancel', 'resume', 'hold', 'cancel'];

const seed = Date.now() % 1_000_000;
const random = seeded(seed);
let system: System;
let client: Client;

beforeAll(async () => {
	system = await System.create({ HOLD_LIMIT: '6s', LOG_LEVEL: 'warn', CANCELLATION_WINDOW: `${WINDOW}ms` });
	client = new Client(system.url);
	await system.up();
}, 120_000);

afterAll(() => system.dispose(), 60_000);

/** Commands that are sent at their moments, whatever became of those before. */
async function fight(orderId: string, due: number, race: Race): Promise<void> {
	const moment = (): number => due + between(random, -SPREAD, SPREAD + 1);
	const fire = async (command: Command, at: number): Promise<Answer> => {
		await pause(Math.max(0, at - Date.now()));
		return client.command(command, orderId);
	};
	if (race === 'crowd') {
		const at = moment();
		await Promise.all(CROWD.map((command) => fire(command, at)));
		return;
	}
	if (race !== 'hold and resume') {
		await fire(race, moment());
		return;
	}
	const [first = due, second = due] = [moment(), moment()].sort((a, b) => a - b);
	const [, resumed] = await Promise.all([fire('hold', first), fire('resume', second)]);
	// A resumed order has a new due, to be fought over again.
	if (resumed.order?.status === 'Pending' && Date.parse(resumed.order.pendingUntil) > due)
		await fight(orderId, Date.parse(resumed.order.pendingUntil), 'cancel');
}

/** Places one order after another and leaves each to its fight. */
async function place(indices: Iterator<number>, fights: Promise<void>[]): Promise<void> {
	for (let next = indices.next(); !next.done; next = indices.next()) {
		const key = `race-${next.value}`;
		const { order, status } = await client.create({ productName: key, amount: 1 }, key);
		if (order === null) throw new Error(`a good order was answered ${status}`);
		fights.push(fight(order.id, Date.parse(order.pendingUntil), RACES[next.value % RACES.length] ?? 'cancel'));
		await pause(PAUSE);
	}
}

/** The orders that were confirmed while they were on hold, by their own history. */
function confirmedOnHold({ history }: Evidence): string[] {
	const held = new Set<string>();
	return history.flatMap(({ orderId, type }) => {
		if (type === 'OrderHeld') held.add(orderId);
		if (type === 'OrderResumed') held.delete(orderId);
		return type === 'OrderConfirmed' && held.has(orderId) ? [orderId] : [];
	});
}

it('a yes is a yes and a no is a no, to the millisecond', async () => {
	const fights: Promise<void>[] = [];
	const indices = Array.from({ length: ORDERS }, (_, index) => index).values();
	await Promise.all(Array.from({ length: PLACING }, () => place(indices, fights)));
	await Promise.all(fights);
	await until(async () => (await unfinished(system)) === 0, 'every order has ended', 120_000).catch(async () =>
		console.log(await laggards(system)),
	);
	const evidence = await collect(system, client);
	const ends = new Map(evidence.orders.map((order) => [order.id, order]));
	const captured = new Set(
		evidence.operations.flatMap(({ orderId, operation }) => (operation === 'capture' ? [orderId] : [])),
	);
	const parcels = new Set(evidence.parcels.map(({ orderId }) => orderId));
	const outcome = (answer: Answer): string => `${answer.action} ${answer.status} ${answer.code ?? ''}`.trim();
	const counts = Object.entries(Object.groupBy(evidence.answers, outcome)).map(([name, all]) => [name, all?.length]);
	console.log(`seed ${seed}`, Object.fromEntries(counts), census(evidence.orders));

	expect(violations(evidence)).toEqual([]);
	expect(confirmedOnHold(evidence)).toEqual([]);
	expect(strangeAnswers(evidence.answers)).toEqual([]);
	const wrong = evidence.answers.flatMap(({ action, status, orderId }) => {
		const end = ends.get(orderId ?? '');
		const bought = captured.has(orderId ?? '') && parcels.has(orderId ?? '') && end?.status === 'Shipped';
		const untouched = !captured.has(orderId ?? '') && !parcels.has(orderId ?? '');
		if (action === 'cancel' && status === 202 && !untouched) return [`cancelled, and bought: ${orderId}`];
		if (action === 'cancel' && status === 409 && !bought) return [`too late to cancel, and not bought: ${orderId}`];
		return [];
	});
	expect(wrong).toEqual([]);

	// Both sides of the line were tried, and often.
	const told = (action: Command, status: number) =>
		evidence.answers.filter((answer) => answer.action === action && answer.status === status).length;
	expect(evidence.orders).toHaveLength(ORDERS);
	for (const [action, yes] of [['cancel', 202] as const, ['hold', 200] as const, ['resume', 200] as const]) {
		expect(told(action, yes)).toBeGreaterThan(30);
		expect(told(action, 409)).toBeGreaterThan(30);
	}
}, 600_000);
