/** All that is known of one order, as lines in the order of time. */
import type { Answer, OrderView } from './client.ts';
import type { ArmedWakeUp, Evidence, HandledMessage, HistoryEvent, Operation, Parcel, PaymentRow } from './evidence.ts';

export interface Story {
	readonly id: string;
	readonly order: OrderView | undefined;
	readonly answers: readonly Answer[];
	readonly history: readonly HistoryEvent[];
	readonly operations: readonly Operation[];
	readonly parcels: readonly Parcel[];
	readonly payment: PaymentRow | undefined;
	readonly handled: readonly HandledMessage[];
	readonly armed: readonly ArmedWakeUp[];
}

/** What a line tells of, and of which of them: the action, the type of the event, the provider's operation, the consumer. */
export type LineKind = 'answer' | 'event' | 'journal' | 'parcel' | 'handled' | 'wake-up';

export interface Line {
	readonly at: number;
	readonly kind: LineKind;
	readonly name: string;
	readonly text: string;
}

/** Lines of a kind, or of a kind and a name, such as `event OrderHeld`. */
export type Choice = LineKind | `${LineKind} ${string}`;

export const accepted = ({ status }: Answer): boolean => status >= 200 && status < 300;

/** What the provider did, of these operations. */
export const done = ({ operations }: Story, ...names: string[]): Operation[] =>
	operations.filter(({ operation, outcome }) => names.includes(operation) && outcome === 'succeeded');

/** The end of the window as it was last; NaN where the order is not known. */
export const lastDue = (story: Story): number => Date.parse(story.order?.pendingUntil ?? '');

export function storiesOf(evidence: Evidence): Story[] {
	const orders = new Map(evidence.orders.map((order) => [order.id, order]));
	const payments = new Map(evidence.payments.map((payment) => [payment.orderId, payment]));
	const answers = Map.groupBy(evidence.answers, ({ orderId }) => orderId);
	const history = Map.groupBy(evidence.history, ({ orderId }) => orderId);
	const operations = Map.groupBy(evidence.operations, ({ orderId }) => orderId);
	const parcels = Map.groupBy(evidence.parcels, ({ orderId }) => orderId);
	const handled = Map.groupBy(evidence.handled, ({ orderId }) => orderId);
	const armed = Map.groupBy(evidence.armed, ({ orderId }) => orderId);
	const all = [orders, payments, answers, history, operations, parcels, handled, armed];
	const ids = new Set(all.flatMap((map) => [...map.keys()]));
	return [...ids].flatMap((id) => {
		if (id === null) return [];
		return [
			{
				...{ id, order: orders.get(id), payment: payments.get(id) },
				...{ answers: answers.get(id) ?? [], history: history.get(id) ?? [] },
				...{ operations: operations.get(id) ?? [], parcels: parcels.get(id) ?? [] },
				...{ handled: handled.get(id) ?? [], armed: armed.get(id) ?? [] },
			},
		];
	});
}

const clock = (at: number): string => new Date(at).toISOString().slice(11, 23);

const answerLine = ({ action, sentAt, at, status, code, replayed }: Answer): Line => ({
	...{ at: sentAt, kind: 'answer', name: action },
	text: `client: ${action} → ${status === 0 ? 'no answer' : status}${code === null ? '' : ` ${code}`}${replayed ? ', replayed' : ''} at ${clock(at)}`,
});

/** Everything, in the order of time. */
export function linesOf({ answers, history, operations, parcels, handled, armed }: Story): Line[] {
	const lines: Line[] = [
		...answers.map(answerLine),
		...history.map(({ occurredAt, sequence, type, data }): Line => {
			const text = `event ${sequence}: ${type} ${JSON.stringify(data)}`;
			return { at: occurredAt, kind: 'event', name: type, text };
		}),
		...operations.map(({ createdAt, operation, outcome }): Line => {
			return { at: createdAt, kind: 'journal', name: operation, text: `provider: ${operation} ${outcome}` };
		}),
		...parcels.map(({ createdAt }): Line => {
			return { at: createdAt, kind: 'parcel', name: 'parcel', text: 'parcel service: took the parcel' };
		}),
		...handled.map(({ handledAt, consumer, messageId }): Line => {
			return { at: handledAt, kind: 'handled', name: consumer, text: `${consumer}: handled message ${messageId}` };
		}),
		...armed.map(({ id, type, dueAt }): Line => {
			return { at: dueAt, kind: 'wake-up', name: type, text: `${type} ${id} is armed for this moment` };
		}),
	];
	return lines.sort((a, b) => a.at - b.at);
}

/** The lines that matter. */
export const chosen = (lines: readonly Line[], choices: readonly Choice[]): Line[] =>
	lines.filter(({ kind, name }) => choices.some((choice) => choice === kind || choice === `${kind} ${name}`));

/** For people. */
export function tell({ id, order }: Story, lines: readonly Line[]): string {
	const end = order ? `${order.status}, payment ${order.paymentStatus}, due ${order.pendingUntil}` : 'not in the list';
	return [`  order ${id}: ${end}`, ...lines.map(({ at, text }) => `    ${clock(at)} ${text}`)].join('\n');
}
