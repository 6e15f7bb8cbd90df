/** OpenTelemetry's SDK. Imported only where traces go somewhere. */
import { hostname } from 'node:os';
import type { Tracer } from '@opentelemetry/api';
import { ExportResultCode } from '@opentelemetry/core';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
	AlwaysOffSampler,
	AlwaysOnSampler,
	BatchSpanProcessor,
	ParentBasedSampler,
	type ReadableSpan,
	type Sampler,
	type SpanExporter,
	type SpanProcessor,
	TraceIdRatioBasedSampler,
	TracerProvider,
} from '@opentelemetry/sdk-trace';
import { type Duration, SECOND } from '../../../domain/time.ts';
import { endedWithin } from '../../runtime/index.ts';
import type { Sampling, TracingSettings } from '../../settings/index.ts';

/** Spans that wait at a stop have so long to be sent: a collector that is away delays no stop. */
const LONGEST_STOP: Duration = SECOND;

/** Who hears of spans that nobody will see. */
export interface Losses {
	dropped(spans: number, reason: 'queue_full' | 'not_sent'): void;
	/** an export has failed */
	failed(error: unknown): void;
	/** an export has succeeded */
	sent(): void;
}

export interface Sdk {
	readonly tracer: Tracer;
	close(): Promise<void>;
}

/** `name`: of the program, unless the settings say another. Every process has an id of its own. */
export async function openSdk(name: string, settings: TracingSettings, losses: Losses): Promise<Sdk> {
	const resource = resourceFromAttributes({
		'service.name': name,
		'service.instance.id': crypto.randomUUID(),
		'host.name': hostname(),
		'process.pid': process.pid,
		...settings.attributes,
		...(settings.serviceName === undefined ? {} : { 'service.name': settings.serviceName }),
	});
	const waiting = { spans: 0 };
	const exporter = counted(await exporterOf(settings), waiting, losses);
	const { queue, size, delay, timeout } = settings.batch;
	const batches = new BatchSpanProcessor({
		exporter,
		...{ maxQueueSize: queue, maxExportBatchSize: size, scheduledDelayMillis: delay, exportTimeoutMillis: timeout },
	});
	const provider = new TracerProvider({
		resource,
		sampler: samplerOf(settings.sampling),
		spanProcessors: [bounded(batches, queue, waiting, losses)],
	});
	return {
		tracer: provider.getTracer('protected-payment'),
		close: async () => {
			await endedWithin(provider.shutdown(), LONGEST_STOP);
		},
	};
}

async function exporterOf({ protocol, url, headers, timeout }: TracingSettings): Promise<SpanExporter> {
	const { OTLPTraceExporter } =
		protocol === 'http/json'
			? await import('@opentelemetry/exporter-trace-otlp-http')
			: await import('@opentelemetry/exporter-trace-otlp-proto');
	return new OTLPTraceExporter({ url, headers: { ...headers }, timeoutMillis: timeout });
}

function samplerOf({ ratio, followsParent }: Sampling): Sampler {
	const root =
		ratio >= 1 ? new AlwaysOnSampler() : ratio <= 0 ? new AlwaysOffSampler() : new TraceIdRatioBasedSampler(ratio);
	return followsParent ? new ParentBasedSampler({ root }) : root;
}

/** The SDK drops spans without a word when its queue is full. So they are dropped before it, and counted. */
function bounded(inner: SpanProcessor, most: number, waiting: { spans: number }, losses: Losses): SpanProcessor {
	return {
		onStart: (span, context) => inner.onStart(span, context),
		onEnd: (span) => {
			if (waiting.spans >= most) return losses.dropped(1, 'queue_full');
			waiting.spans += 1;
			inner.onEnd(span);
		},
		forceFlush: () => inner.forceFlush(),
		shutdown: () => inner.shutdown(),
	};
}

function counted(inner: SpanExporter, waiting: { spans: number }, losses: Losses): SpanExporter {
	return {
		export: (spans: ReadableSpan[], done) => {
			waiting.spans -= spans.length;
			inner.export(spans, (result) => {
				if (result.code === ExportResultCode.SUCCESS) losses.sent();
				else {
					losses.dropped(spans.length, 'not_sent');
					losses.failed(result.error);
				}
				done(result);
			});
		},
		shutdown: () => inner.shutdown(),
	};
}
