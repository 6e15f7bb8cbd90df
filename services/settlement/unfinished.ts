/** How many orders have not ended, by their state. */
import type { OrderStatus } from '../../domain/order-record.ts';
import type { Statement } from '../../mixins/database/index.ts';
import { remembered } from '../../mixins/runtime/index.ts';
import { defineMixin, type Mixin } from '../../mixins/service.ts';

/** Above this the exact number does not matter; so many take half a second, or two where they lie far apart. */
const MOST_COUNTED = 250_000;

/** The index holds what the sweeper still has to look at, so that finished orders cost nothing. */
const UNFINISHED: Statement = {
	name: 'orders-unfinished',
	text: `SELECT status, count(*)::int AS count
		FROM (SELECT status FROM orders WHERE sweep_at IS NOT NULL ORDER BY sweep_at LIMIT ${MOST_COUNTED}) AS o
		GROUP BY status`,
	values: [],
};

const NONE = { Pending: 0, OnHold: 0, CancelRequested: 0, Confirmed: 0 } satisfies Partial<Record<OrderStatus, number>>;

type Unfinished = keyof typeof NONE;

/** The gauge `orders_unfinished`. Each process with settlement tells the same figures. */
export const unfinished = (): Mixin =>
	defineMixin({
		created() {
			const { database, metrics } = this.platform;
			const look = remembered(async () => {
				const rows = await database.query<{ status: OrderStatus; count: number }>(UNFINISHED);
				// A shipped order is among them while a refund of it is under way.
				const found = rows.filter(({ status }) => isUnfinished(status)).map(({ status, count }) => [status, count]);
				return { ...NONE, ...Object.fromEntries(found) };
			});
			metrics.readEach('orders_unfinished', WHAT, 'status', look);
		},
	});

const isUnfinished = (status: OrderStatus): status is Unfinished => Object.hasOwn(NONE, status);

const WHAT = 'Orders that have not ended, by their state; 250,000 at most, and a few seconds old.';
