export { type Calls, type Caused, NOT_BEGUN, stamp } from './calls.ts';
export { calls, type Perform } from './mixin.ts';
export { outside } from './outside.ts';
