/**
 * Spans of OpenTelemetry, by its API alone. Transactions and batches work for many orders at once, so no span is ever
 * "the active one": each is given its cause, a W3C `traceparent`, and tells its own.
 */
import {
	type Attributes,
	type Link,
	ProxyTracerProvider,
	ROOT_CONTEXT,
	SpanKind,
	SpanStatusCode,
	type Tracer,
	trace,
} from '@opentelemetry/api';
import type { Instant } from '../../../domain/time.ts';
import { formatTraceparent, parseTraceparent, type Trace, type TraceContext, traceOf } from '../../http/index.ts';

/** What causes something: the `traceparent` of the span in which it was asked for; null if there is none. */
export type Cause = string | null;

const KINDS = {
	server: SpanKind.SERVER,
	client: SpanKind.CLIENT,
	consumer: SpanKind.CONSUMER,
	internal: SpanKind.INTERNAL,
} as const;

export interface SpanOptions {
	readonly kind: keyof typeof KINDS;
	readonly cause: Cause;
	/** other causes, 128 at most */
	readonly links?: readonly string[];
	readonly attributes?: Attributes;
	/** when it began, if that was earlier, in milliseconds since 1970 */
	readonly begun?: Instant;
}

/** How a span ends. No text of an error belongs here: it could hold what nobody may see. */
export interface SpanEnd {
	/** a word for the kind of error; undefined for a success */
	readonly error?: string | undefined;
	/** a better name than the first */
	readonly name?: string;
	readonly attributes?: Attributes;
}

/** Something that is going on. */
export interface OpenSpan {
	/** what is caused by it has this as its cause */
	readonly traceparent: Cause;
	/** only the first end counts */
	end(how?: SpanEnd): void;
}

/** The trace of a request to the gateway. */
export interface RequestTrace extends Trace {
	/** The answer has begun, or the request begins to wait. `status`: 0 if there is none; only the first call counts. */
	answered(route: string, status: number): void;
}

export interface TracingOptions {
	/** no span is recorded whose cause is not */
	readonly followsParent?: boolean;
	/** what carries the messages, as OpenTelemetry calls it */
	readonly carrier?: string;
	readonly close?: () => Promise<void>;
}

export class Tracing {
	/** what carries the messages, as OpenTelemetry calls it */
	readonly carrier: string;
	/** false if nobody would get a span: then nothing is done for any */
	readonly isOn: boolean;
	readonly #tracer: Tracer;
	readonly #followsParent: boolean;
	readonly #close: () => Promise<void>;

	constructor(
		tracer: Tracer,
		{ followsParent = false, carrier = 'postgresql', close = async () => {} }: TracingOptions = {},
	) {
		this.#tracer = tracer;
		this.carrier = carrier;
		this.#followsParent = followsParent;
		this.#close = close;
		// Without an SDK the API gives spans that belong to no trace.
		this.isOn = trace.isSpanContextValid(tracer.startSpan('none', {}, ROOT_CONTEXT).spanContext());
	}

	/** Begins a span; where it would not be recorded, what comes back only hands the cause on. */
	start(name: string, { kind, cause, links = [], attributes, begun }: SpanOptions): OpenSpan {
		const parent = cause === null ? undefined : parseTraceparent(cause);
		if (!this.isOn || (parent !== undefined && !this.records(parent))) return { traceparent: cause, end: () => {} };
		const span = this.#tracer.startSpan(
			name,
			{
				kind: KINDS[kind],
				links: links.flatMap(linkTo),
				...(attributes === undefined ? {} : { attributes }),
				...(begun === undefined ? {} : { startTime: begun }),
			},
			parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, remote(parent)),
		);
		const { traceId: id, spanId, traceFlags } = span.spanContext();
		let isOpen = true;
		return {
			traceparent: formatTraceparent({ id, span: spanId, isSampled: (traceFlags & 1) === 1 }),
			end: ({ error, name: better, attributes: more = {} } = {}) => {
				if (!isOpen) return;
				isOpen = false;
				if (better !== undefined) span.updateName(better);
				if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR }).setAttribute('error.type', error);
				span.setAttributes(more).end();
			},
		};
	}

	/** Whether spans with this cause may be recorded. */
	records({ isSampled }: TraceContext): boolean {
		return isSampled || !this.#followsParent;
	}

	/**
	 * The trace that the header names, or a new one; the gateway's span in it. The path is not told: some hold what only
	 * their owner knows. `isProbe`: it gets no span.
	 */
	request(method: string, header: string | string[] | undefined, isProbe = false): RequestTrace {
		const came = traceOf(header);
		if (!this.isOn || isProbe) return { ...came, answered: () => {} };
		const isGiven = typeof header === 'string' && parseTraceparent(header) !== undefined;
		const known = method === 'other' ? '_OTHER' : method;
		const span = this.start(known === '_OTHER' ? 'HTTP' : known, {
			kind: 'server',
			cause: isGiven ? header : null,
			attributes: { 'http.request.method': known, 'url.scheme': 'http' },
		});
		const isOwn = span.traceparent !== header;
		const own = span.traceparent === null ? undefined : parseTraceparent(span.traceparent);
		return {
			id: own?.id ?? came.id,
			parent: isOwn && span.traceparent !== null ? span.traceparent : came.parent,
			answered: (route, status) =>
				span.end({
					...(status >= 500 ? { error: String(status) } : {}),
					...(route === 'none' ? {} : { name: `${known} ${route}` }),
					attributes: {
						...(route === 'none' ? {} : { 'http.route': route }),
						...(status === 0 ? {} : { 'http.response.status_code': status }),
					},
				}),
		};
	}

	/** Sends what waits, for a second at most. */
	close(): Promise<void> {
		return this.#close();
	}
}

const remote = ({ id, span, isSampled }: TraceContext) => ({
	traceId: id,
	spanId: span,
	traceFlags: isSampled ? 1 : 0,
	isRemote: true,
});

function linkTo(traceparent: string): Link[] {
	const parsed = parseTraceparent(traceparent);
	return parsed === undefined ? [] : [{ context: remote(parsed) }];
}

/** For what is tried alone: no span is ever recorded. */
export const NO_TRACING = new Tracing(new ProxyTracerProvider().getTracer('none'));
