/**
 * Spans of messages, by the conventions of OpenTelemetry for messaging. A message's `traceparent` is the context in which it
 * was created, and never changes on its way.
 */
import type { Instant } from '../../../domain/time.ts';
import { parseTraceparent } from '../../http/index.ts';
import type { Cause, OpenSpan, Tracing } from './tracing.ts';

/** More links the SDK throws away. */
const MOST_LINKS = 128;

/**
 * One span for a batch that goes to the carrier. It stands in the trace of the first message that is recorded, with links
 * to all that are. The messages keep their own contexts.
 */
export function sending(tracing: Tracing, messages: readonly { readonly traceparent: Cause }[]): OpenSpan {
	if (!tracing.isOn) return NOTHING;
	const links = new Set<string>();
	for (const { traceparent } of messages) {
		const parsed = traceparent === null ? undefined : parseTraceparent(traceparent);
		if (traceparent !== null && parsed !== undefined && tracing.records(parsed)) links.add(traceparent);
		if (links.size === MOST_LINKS) break;
	}
	const [first] = links;
	if (first === undefined) return NOTHING;
	return tracing.start('send outbox', {
		kind: 'client',
		cause: first,
		links: [...links],
		attributes: {
			'messaging.system.name': tracing.carrier,
			'messaging.operation.type': 'send',
			'messaging.operation.name': 'send',
			'messaging.destination.name': 'outbox',
			'messaging.batch.message_count': messages.length,
		},
	});
}

const NOTHING: OpenSpan = { traceparent: null, end: () => {} };

interface Processed {
	readonly id: string;
	readonly type: string;
	/** the order's id */
	readonly key: string;
	readonly attempt: number;
}

/** A message that a consumer group handles: a short span of its own, also where the transaction is one for many. */
export function processing(
	tracing: Tracing,
	group: string,
	{ id, type, key, attempt }: Processed,
	{ cause, begun }: { readonly cause: Cause; readonly begun: Instant },
): OpenSpan {
	if (!tracing.isOn) return { traceparent: cause, end: () => {} };
	return tracing.start(`process ${group}`, {
		...{ kind: 'consumer', cause, begun },
		links: cause === null ? [] : [cause],
		attributes: {
			'messaging.system.name': tracing.carrier,
			'messaging.operation.type': 'process',
			'messaging.operation.name': 'process',
			'messaging.destination.name': group,
			'messaging.consumer.group.name': group,
			'messaging.message.id': id,
			'protected_payment.message.type': type,
			'protected_payment.message.attempt': attempt,
			'protected_payment.order.id': key,
		},
	});
}
