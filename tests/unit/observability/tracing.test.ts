import { describe, expect, it } from '@jest/globals';
import { ProxyTracerProvider } from '@opentelemetry/api';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { sending } from '../../../mixins/observability/tracing/messages.ts';
import { Tracing } from '../../../mixins/observability/tracing/tracing.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SAMPLED = `00-${TRACE}-00f067aa0ba902b7-01`;
const NOT_SAMPLED = `00-${TRACE}-00f067aa0ba902b7-00`;

function recorded() {
	const exporter = new InMemorySpanExporter();
	const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
	return { tracing: new Tracing(provider.getTracer('test'), { followsParent: true }), exporter };
}

describe('without an SDK', () => {
	const tracing = new Tracing(new ProxyTracerProvider().getTracer('test'));

	it('what is caused keeps its cause', () => {
		for (const cause of [null, SAMPLED, NOT_SAMPLED]) {
			const span = tracing.start('work', { kind: 'internal', cause });
			expect([tracing.isOn, span.traceparent]).toEqual([false, cause]);
			span.end();
		}
	});

	it('a request joins the trace that it names, or begins one that nobody records', () => {
		const joined = tracing.request('GET', SAMPLED);
		expect([joined.id, joined.parent.slice(0, 36), joined.parent.slice(-3)]).toEqual([TRACE, `00-${TRACE}-`, '-01']);
		expect(joined.parent).not.toBe(SAMPLED);
		const begun = tracing.request('GET', undefined);
		expect(begun.parent).toMatch(new RegExp(`^00-${begun.id}-[0-9a-f]{16}-00$`));
		begun.answered('/orders', 200);
	});
});

describe('with an SDK', () => {
	it("a request's span is in the trace that it names, and what it causes has the span as its cause", () => {
		const { tracing, exporter } = recorded();
		const request = tracing.request('GET', SAMPLED);
		request.answered('/orders/{id}', 503);
		request.answered('/orders', 200);
		const [span, ...more] = exporter.getFinishedSpans();
		expect(more).toEqual([]);
		expect(span).toMatchObject({
			name: 'GET /orders/{id}',
			kind: 1, // the API's number of SERVER
			parentSpanContext: { traceId: TRACE, spanId: '00f067aa0ba902b7' },
			attributes: { 'http.response.status_code': 503, 'error.type': '503', 'http.route': '/orders/{id}' },
		});
		expect(request).toMatchObject({ id: TRACE, parent: `00-${TRACE}-${span?.spanContext().spanId}-01` });
	});

	it('a trace that begins here is recorded; one whose beginning was not is not, and keeps its own ids', () => {
		const { tracing, exporter } = recorded();
		expect(tracing.request('GET', undefined).parent).toMatch(/-01$/);
		const other = tracing.request('GET', NOT_SAMPLED);
		other.answered('/orders', 200);
		expect([other.id, other.parent.slice(-3)]).toEqual([TRACE, '-00']);
		expect(tracing.start('work', { kind: 'internal', cause: NOT_SAMPLED }).traceparent).toBe(NOT_SAMPLED);
		expect(exporter.getFinishedSpans()).toEqual([]);
	});

	it('a probe gets none, and a method that nobody knows is told as such', () => {
		const { tracing, exporter } = recorded();
		tracing.request('GET', undefined, true).answered('/health/ready', 200);
		tracing.request('other', undefined).answered('none', 404);
		expect(
			exporter.getFinishedSpans().map(({ name, attributes }) => [name, attributes['http.request.method']]),
		).toEqual([['HTTP', '_OTHER']]);
	});

	it('a batch that is sent has one span, in the first trace that is recorded, with 128 links at most', () => {
		const { tracing, exporter } = recorded();
		const of = (index: number, flags = '01') => ({
			traceparent: `00-${TRACE}-${(index + 1).toString(16).padStart(16, '0')}-${flags}`,
		});
		sending(tracing, [{ traceparent: null }, of(0, '00')]).end();
		expect(exporter.getFinishedSpans()).toEqual([]);
		sending(tracing, [of(0, '00'), ...Array.from({ length: 300 }, (_, index) => of(1 + (index >> 1)))]).end();
		const [span] = exporter.getFinishedSpans();
		expect(span?.parentSpanContext?.spanId).toBe('0000000000000002');
		expect(span?.links).toHaveLength(128);
		expect(span?.attributes).toMatchObject({ 'messaging.batch.message_count': 301 });
	});
});
