export { type DeadLetter, DeadLetters } from './dead-letters.ts';
export { type Decide, Inbox } from './inbox.ts';
export { type Consuming, inbox, methodOf, type WithInbox } from './mixin.ts';
export { inboxOperations } from './operations.ts';
export { pausesOf } from './pauses.ts';
export { Subscriptions } from './subscriptions.ts';
