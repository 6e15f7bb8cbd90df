export { notBefore } from './not-before.ts';
