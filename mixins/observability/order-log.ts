import type { OrderStatus } from '../../domain/order-record.ts';
import { jsonLine } from '../runtime/index.ts';
import type { Settings } from '../settings/index.ts';

/** An order has come into a state. */
export interface StatusChange {
	readonly orderId: string;
	/** null for a new order */
	readonly from: OrderStatus | null;
	readonly to: OrderStatus;
	/** the trace of what changed it */
	readonly traceparent: string | null;
}

const LINES_FROM: ReadonlySet<string> = new Set(['info', 'debug', 'trace']);

/**
 * One line for each change, at the level `info`. Those of one commit are written at once: a commit may have hundreds, and
 * each write is a call to the system.
 */
export function orderLog(
	{ logLevel, logFormat }: Pick<Settings, 'logLevel' | 'logFormat'>,
	write: (text: string) => void = (text) => void process.stdout.write(text),
): (changes: readonly StatusChange[]) => void {
	if (!LINES_FROM.has(logLevel)) return () => {};
	const lineOf = logFormat === 'json' ? asJson : asText;
	return (changes) => {
		if (changes.length > 0) write(changes.map(lineOf).join(''));
	};
}

const traceIdOf = ({ traceparent }: StatusChange): string | undefined => traceparent?.split('-', 2)[1];

const told = ({ orderId, from, to }: StatusChange): string => `order ${orderId}: ${from ?? 'new'} → ${to}`;

const asJson = (change: StatusChange): string => {
	const { orderId, from, to } = change;
	return `${jsonLine('info', [told(change)], { orderId, from, to, traceId: traceIdOf(change), module: 'orders' })}\n`;
};

const asText = (change: StatusChange): string => {
	const trace = traceIdOf(change);
	const time = new Date().toISOString().slice(11);
	return `[${time}] INFO  ORDERS: ${told(change)}${trace === undefined ? '' : ` (trace ${trace})`}\n`;
};
