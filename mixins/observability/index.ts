export { meteredActions } from './action-metrics.ts';
export { Health, type Readiness } from './health.ts';
export { loggerOf, logsOf } from './logging.ts';
export { Metrics, type Refusal } from './metrics.ts';
export { orderLog, type StatusChange } from './order-log.ts';
export { openProbes } from './probes.ts';
export { ALIVE, gatewayNotReady, readinessAnswer } from './readiness.ts';
export {
	type Cause,
	NO_TRACING,
	type OpenSpan,
	openTracing,
	processing,
	type RequestTrace,
	type SpanEnd,
	sending,
	Tracing,
	tracedActions,
} from './tracing/index.ts';
