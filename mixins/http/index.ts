export { SECURITY_HEADERS } from './headers.ts';
export { listen, urlOf } from './listen.ts';
export {
	type Fault,
	internal,
	invalid,
	malformed,
	methodNotAllowed,
	overloaded,
	PROBLEM_TYPE,
	type Problem,
	ProblemError,
	pointerTo,
	problem,
	rawAnswer,
	routeNotFound,
	tooLarge,
	unavailable,
	unsupported,
} from './problem.ts';
export { isProblemCode, PROBLEM_CODES, PROBLEMS, type ProblemCode, problemType } from './problem-codes.ts';
export { type Answer, send, sendAnswer, sendProblem } from './send.ts';
export { formatTraceparent, parseTraceparent, type Trace, type TraceContext, traceOf } from './trace.ts';
