export { outboxBacklog } from './backlog.ts';
export { insertInbox } from './messages-store.ts';
export { outboxStats, replayEvents } from './operations.ts';
export { OutboxRelay } from './relay.ts';
export { purge } from './retention.ts';
export { type Free, type OnStored, UnitOfWork } from './unit-of-work.ts';
