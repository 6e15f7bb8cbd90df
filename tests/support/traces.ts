/** What tests of traces do with an order and its spans. */
import type { CollectedSpan, Collector } from './collector.ts';
import { until } from './until.ts';

/**
 * Places an order through the gateway, and waits until the trace has its hand-over. The window is long enough for a busy
 * machine to authorise the payment before it ends: else the capture follows from that.
 */
export async function tracedOrder(
	url: string,
	collector: Collector,
	headers: Readonly<Record<string, string>> = {},
): Promise<{ readonly traceId: string; readonly orderId: string }> {
	const res = await fetch(`${url}/orders`, {
		method: 'POST',
		headers: { 'content-type': 'application/json', ...headers },
		body: JSON.stringify({ productName: 'Tea', amount: 1, paymentMethod: 'card_ok', cancellationWindow: '3s' }),
	});
	const traceId = res.headers.get('x-request-id') ?? '';
	const { id: orderId } = (await res.json()) as { id: string };
	const isThrough = (): boolean => collector.trace(traceId).some(({ name }) => name.startsWith('parcel service'));
	await until(isThrough, () => `the trace ${traceId} comes to the hand-over (${res.status})`);
	return { traceId, orderId };
}

/** The names on the way from a span to the first of its trace. */
export function wayBack(span: CollectedSpan, spans: readonly CollectedSpan[]): string[] {
	const parent = span.parentSpanId ? spans.find(({ spanId }) => spanId === span.parentSpanId) : undefined;
	if (span.parentSpanId && parent === undefined) return [span.name, `unknown ${span.parentSpanId}`];
	return parent === undefined ? [span.name] : [span.name, ...wayBack(parent, spans)];
}
