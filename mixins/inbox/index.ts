export { DeadLetters } from './dead-letters.ts';
export { type Decide, Inbox } from './inbox.ts';
