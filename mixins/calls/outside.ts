import { performance } from 'node:perf_hooks';
import type { ProviderOperation } from '../../domain/provider.ts';
import type { Cause } from '../observability/index.ts';
import type { Platform } from '../platform.ts';

/** What is asked of whom. */
type Operation = ProviderOperation | 'find' | 'hand_over';

export interface Outside {
	readonly operation: Operation;
	readonly orderId: string;
	readonly cause: Cause;
}

interface Answer {
	readonly kind: string;
	/** the provider's name for the request, which its support asks for */
	readonly requestId?: string | null;
}

/**
 * One call that leaves the process, measured, and with a span. A throw means that nobody knows what became of it. Nothing
 * of the request but the order's id is in the span: no card, no key.
 */
export async function outside<T extends Answer>(
	{ metrics, tracing }: Pick<Platform, 'metrics' | 'tracing'>,
	{ operation, orderId, cause }: Outside,
	call: () => Promise<T>,
): Promise<T> {
	const began = performance.now();
	const service = operation === 'hand_over' ? 'parcel service' : 'payment provider';
	const span = tracing.start(`${service} ${operation}`, {
		...{ kind: 'client', cause },
		attributes: { 'service.peer.name': service, 'protected_payment.order.id': orderId },
	});
	let answer: T | undefined;
	try {
		answer = await call();
		return answer;
	} finally {
		const { kind = 'unknown', requestId } = answer ?? {};
		metrics.providerCalled(operation, kind, performance.now() - began);
		span.end({
			error: NO_ANSWER.has(kind) ? kind : undefined,
			attributes: {
				'protected_payment.outcome': kind,
				...(requestId ? { 'protected_payment.provider.request_id': requestId } : {}),
			},
		});
	}
}

const NO_ANSWER: ReadonlySet<string> = new Set(['unknown', 'refusesUs']);
