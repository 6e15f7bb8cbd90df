export { type Reads, reading, readMixin } from './adapter.ts';
export { type OrderView, readChanged } from './changed-orders.ts';
export { defineModels, type EventRow, type Models, type OrderRow } from './models.ts';
export { countEntries, type EntryView, type NewEntries, readNewEntries } from './new-entries.ts';
