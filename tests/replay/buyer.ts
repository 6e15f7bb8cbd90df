import { SUCCESS } from '../../services/gateway/http/answer.ts';
import type { OrderAction } from '../../services/gateway/http/routes.ts';
import type { OrderDto } from '../../services/orders/order-dto.ts';
import { Difference } from './difference.ts';
import { type Move, orderOf } from './moves.ts';
import type { World } from './world.ts';

interface Answer {
	readonly status: number;
	readonly code: string;
	readonly order: OrderDto | undefined;
	readonly replayed: boolean;
}

async function ask(world: World, action: string, params: object): Promise<Answer> {
	try {
		const { value: order, meta } = await world.call<OrderDto>(`orders.${action}`, params);
		const { replayed = false } = meta;
		return { status: SUCCESS[`orders.${action}` as OrderAction] ?? 200, code: '', order, replayed };
	} catch (error) {
		const { code, type } = error as { code?: number; type?: string };
		if (code !== 409) throw error;
		return { status: code, code: type ?? '', order: undefined, replayed: false };
	}
}

/** The card decides what the provider will say to it. */
const cardOf = (holds: readonly string[]): string =>
	holds.includes('declined') ? 'card_declined' : holds.includes('refused') ? 'card_capture_refused' : 'card_ok';

/** A new order; or, with a key that is known, the first answer again. */
export async function create(world: World, move: Move): Promise<void> {
	const key = String(move.what);
	const isNew = move.name === 'Create';
	const holds = world.futureOf(isNew ? orderOf(move) : earlierOrder(move, key));
	const params = { productName: 'Tea', amount: '19.90', idempotencyKey: key, paymentMethod: cardOf(holds) };
	const { status, order, replayed } = await ask(world, 'create', params);
	if (status !== 201 || order === undefined || replayed === isNew)
		throw new Difference(`create under key ${key} was answered ${status}${replayed ? ', replayed' : ''}`);
	const known = world.names.orders.indexOf(order.id) + 1;
	if (isNew && known > 0) throw new Difference(`key ${key} is answered with order ${known}, the model makes a new one`);
	if (!isNew && known !== earlierOrder(move, key)) throw new Difference(`key ${key} is answered with order ${known}`);
	if (isNew) world.names.orders.push(order.id);
}

const earlierOrder = ({ before }: Move, key: string): number => before.keys.find((row) => row.key === key)?.o ?? 0;

/** A command that the model accepts. */
export async function give(world: World, move: Move): Promise<void> {
	const order = orderOf(move);
	const action = move.name.toLowerCase();
	const { status, code, order: told } = await ask(world, action, { id: world.names.orders[order - 1] });
	const expected = action === 'cancel' ? 202 : 200;
	const st = move.after.ord[order - 1]?.st;
	if (status !== expected || told?.status !== st)
		throw new Difference(
			`${action} of order ${order}: ${st} in the model, answered ${status} ${code}${told?.status ?? ''}`,
		);
}

/** States in which a command says yes and changes nothing, and those in which the window is closed, as the contract has it. */
const UNCHANGED: Readonly<Record<string, readonly string[]>> = {
	cancel: ['CancelRequested', 'Cancelled'],
	hold: ['OnHold'],
	resume: ['Pending'],
};

/** A command that changes nothing: refused with the right code, or answered with the order as it is. */
export async function refuse(world: World, { what, before }: Move): Promise<void> {
	const { name, o } = what as { name: string; o: number };
	const ord = before.ord[o - 1];
	if (ord === undefined) throw new Error('no order');
	const answer = await ask(world, name, { id: world.names.orders[o - 1] });
	const over = ['Confirmed', 'Shipped'].includes(ord.st) || (ord.st === 'Pending' && before.clock >= ord.due);
	const limitPassed = name !== 'cancel' && ord.limit > 0 && before.clock >= ord.limit;
	const limitCounts = ord.st === 'Pending' || ord.st === 'OnHold';
	const expected =
		over || (limitPassed && limitCounts)
			? '409 Orders.WindowClosed'
			: UNCHANGED[name]?.includes(ord.st)
				? `${name === 'cancel' ? 202 : 200} ${ord.st}`
				: '409 Orders.InvalidState';
	const got = `${answer.status} ${answer.order?.status ?? answer.code}`;
	if (got !== expected)
		throw new Difference(`${name} of order ${o}, ${ord.st}: ${expected} is right, the answer ${got}`);
}
