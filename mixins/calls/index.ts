export { Calls, type Done, NOT_BEGUN, STOP_PATIENCE, stamp } from './calls.ts';
export { intentHandler } from './intent-handler.ts';
