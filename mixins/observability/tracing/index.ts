export { tracedActions } from './actions.ts';
export { processing, sending } from './messages.ts';
export { openTracing } from './open.ts';
export { type Cause, NO_TRACING, type OpenSpan, type RequestTrace, type SpanEnd, Tracing } from './tracing.ts';
