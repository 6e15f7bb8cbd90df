import { trace } from '@opentelemetry/api';
import { discreet, type Log, WaitLog } from '../../runtime/index.ts';
import { SERVICE_NAMES, type Settings } from '../../settings/index.ts';
import type { Metrics } from '../metrics.ts';
import { Tracing, type TracingOptions } from './tracing.ts';

const NAME = 'protected-payment';

/** The brokers as OpenTelemetry's conventions call them. */
const CARRIERS = { amqp: 'rabbitmq', kafka: 'kafka', redis: 'redis' } as const;

/**
 * The process's traces. Without an endpoint no SDK is loaded and nothing is sent; if somebody else has set one up before
 * (by `node --import`, say), it gets the spans.
 */
export async function openTracing(settings: Settings, log: Log, metrics: Metrics): Promise<Tracing> {
	const { tracing, broker, services } = settings;
	const about: TracingOptions = { carrier: broker === undefined ? 'postgresql' : CARRIERS[broker.kind] };
	if (tracing === undefined) return new Tracing(trace.getTracer(NAME), about);
	const { openSdk } = await import('./sdk.ts');
	const failures = new WaitLog(log);
	metrics.spansDropped(0, 'queue_full');
	metrics.spansDropped(0, 'not_sent');
	const isPart = services.length < SERVICE_NAMES.length;
	const { tracer, close } = await openSdk(isPart ? `${NAME}-${services.join('-')}` : NAME, tracing, {
		dropped: (spans, reason) => metrics.spansDropped(spans, reason),
		failed: (error) => failures.warn(`traces cannot be sent: ${discreet(error)}`, 'not sent'),
		sent: () => failures.over('traces are sent again'),
	});
	return new Tracing(tracer, { ...about, followsParent: tracing.sampling.followsParent, close });
}
