/** What the documentation says about the stream. */
import type { Schema } from '../../../mixins/validation/index.ts';
import { FARTHEST } from '../../orders/changes/entry.ts';
import { ORDERS } from './examples.ts';
import type { Operation } from './operation.ts';

/** OpenAPI 3.1 has no words for single events, so the text says which of the two the data of each is. */
export const STREAM_SCHEMA: Schema = {
	type: 'string',
	contentMediaType: 'text/event-stream',
	contentSchema: { anyOf: [{ $ref: '#/components/schemas/Order' }, { $ref: '#/components/schemas/Now' }] },
	description: `Server-sent events (WHATWG HTML, section 9.2), each with an \`id\`:

- \`event: order\`: \`data\` is an order, as \`#/components/schemas/Order\`, in one line.
- \`event: now\`: \`data\` is the database's clock, as \`#/components/schemas/Now\`.

Lines that begin with a colon only keep the connection open.`,
};

export const NOW_SCHEMA: Schema = {
	type: 'object',
	properties: {
		now: { type: 'string', format: 'date-time', description: 'The clock that decides over `pendingUntil`.' },
	},
	required: ['now'],
};

const ID = 'u9Xo2mQ1b3k.4r2k..4r2j_1.1x3f9ab';
const EVENTS = `id: ${ID}
event: now
data: {"now":"${ORDERS.pending.createdAt}"}

id: ${ID.replace('j_1', 'j_2')}
event: order
data: ${JSON.stringify(ORDERS.pending)}

`;

export const STREAM: Operation = {
	id: 'streamOrders',
	tag: 'Orders',
	summary: 'Follow all orders',
	description: `One event \`order\` for each entry of the history of each order that you may see, in the order in which they were committed; the order is shown as it was then or later. The event \`now\` comes first and every 15 seconds: all that came before it has been sent. To see everything, open the stream first, and read \`GET /orders\` then.

After the end, or a lost connection, open it again with the \`id\` of the last event in \`Last-Event-ID\`, on any gateway: nothing is left out and nothing is sent twice. Without that header it begins with the present. After ${FARTHEST / 1_000},000 entries of all orders, or a restore of the database, an id is too old (410): open the stream without one, and read the list.

The stream ends when the token does, when the service stops, and for a client for which more than 1 MiB waits. \`EventSource\` of browsers sends no token, and gives up after any status but 200: with tokens use \`fetch\`. \`Accept\` is not looked at, and HEAD opens no stream.`,
	parameters: ['Last-Event-ID'],
	successes: [
		{ status: 200, description: 'The stream.', schema: 'OrderStream', mediaType: 'text/event-stream', example: EVENTS },
	],
	problems: ['Stream.TooOld', 'Validation.Failed'],
};
