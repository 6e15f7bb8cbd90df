export { type OutboxBacklog, outboxBacklog } from './backlog.ts';
export { insertInbox } from './messages-store.ts';
export { type OutboxStats, outboxOperations } from './operations.ts';
export { byRelay, type Change, Outbox, outbox, type WithOutbox } from './outbox.ts';
export { relay, type WithRelay } from './relaying.ts';
export { retention } from './retention.ts';
export { type Free, type OnStored, type Outgoing, UnitOfWork } from './unit-of-work.ts';
