import { CONSUMERS } from '../../services/topology.ts';
import type { Observed } from './observe.ts';
import type { Message, State } from './trace.ts';

/** The model's messages by the names that the code gives them. The other events have no consumer in the system. */
const TYPES: Readonly<Record<Message['type'], string>> = {
	OrderPending: 'OrderPending',
	OrderDue: 'OrderDue',
	HoldExpired: 'HoldExpired',
	OrderConfirmed: 'OrderConfirmed',
	OrderCancelRequested: 'OrderCancelRequested',
	PaymentCaptured: 'PaymentCaptured',
	ShipWaits: 'ShipmentDue',
};

const MODELLED: ReadonlySet<string> = new Set(Object.values(TYPES));

/** The model has no endpoints of shops. */
export type Consumer = Exclude<keyof typeof CONSUMERS, 'webhooks'>;

/** The group that takes a message. */
export function consumerOf({ type }: Message): Consumer {
	const found = Object.entries(CONSUMERS).find(([, types]) => (types as readonly string[]).includes(TYPES[type]));
	if (found === undefined) throw new Error(`nobody takes ${type}`);
	return found[0] as Consumer;
}

export const tellMessage = ({ type, o, n }: Message): string =>
	`${TYPES[type]}${type === 'OrderDue' || type === 'HoldExpired' || type === 'ShipWaits' ? ` no. ${n}` : ''} of order ${o}`;

const nameOf = ({ type, o, n }: Message): string => `${type} ${o} ${n}`;

/** Every message that a state speaks of. */
const messagesOf = (state: State): readonly Message[] => [
	...state.outbox.map(({ m }) => m),
	...state.carrier,
	...state.inbox,
	...Object.values(state.relay).flatMap(({ m }) => (m.o === 0 ? [] : [m])),
];

/** Which order and which message of the code is which of the model. */
export class Names {
	/** ids of the orders, the model's order 1 first */
	readonly orders: string[] = [];
	readonly #ids = new Map<string, string>();
	readonly #known = new Set<string>();

	/** True if the message has been raised. */
	has(message: Message): boolean {
		return this.#ids.has(nameOf(message));
	}

	/** True if the id is that of a message of the model. */
	knows(id: string): boolean {
		return this.#known.has(id);
	}

	idOf(message: Message): string {
		const id = this.#ids.get(nameOf(message));
		if (id === undefined) throw new Error(`${nameOf(message)} was never raised`);
		return id;
	}

	/** Gives what was raised just now its names; answers what one side has raised and the other has not. */
	bind(state: State, { outbox }: Observed): string[] {
		const raised = messagesOf(state).filter((message) => !this.has(message));
		const fresh = outbox.filter(({ id, type }) => MODELLED.has(type) && !this.#known.has(id));
		const missing: string[] = [];
		for (const message of raised.sort((a, b) => a.n - b.n)) {
			if (this.has(message)) continue;
			const at = fresh.findIndex(
				({ type, order_id }) => type === TYPES[message.type] && order_id === this.orders[message.o - 1],
			);
			const [row] = at < 0 ? [] : fresh.splice(at, 1);
			if (row === undefined) missing.push(`the model raises ${tellMessage(message)}, the code does not`);
			else {
				this.#ids.set(nameOf(message), row.id);
				this.#known.add(row.id);
			}
		}
		const more = fresh.map(
			({ type, order_id }) => `the code raises ${type} of order ${this.#order(order_id)}, the model does not`,
		);
		return [...missing, ...more];
	}

	#order(id: string): number {
		return this.orders.indexOf(id) + 1;
	}
}
