export { delay, type WithDelay } from './mixin.ts';
export { notBefore } from './not-before.ts';
