export { meteredActions } from './action-metrics.ts';
export { Health, type Readiness } from './health.ts';
export { Metrics, type Refusal } from './metrics.ts';
export { type ProbeRoute, ProbeServer } from './probe-server.ts';
export { ALIVE, gatewayNotReady, readinessAnswer } from './readiness.ts';
