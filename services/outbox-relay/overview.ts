/** What an operator looks at first: what needs a person, what waits, how late it is, and which services run where. */
import type { Context, ServiceBroker } from 'moleculer';
import type { ProviderOperation } from '../../domain/provider.ts';
import type { Instant } from '../../domain/time.ts';
import { type Database, instant, NOW, type Statement } from '../../mixins/database/index.ts';
import { outboxBacklog } from '../../mixins/outbox/index.ts';
import { defineMixin, type Mixin } from '../../mixins/service.ts';
import { callerOf, isAdmin, type Meta } from '../orders/caller.ts';
import { adminsOnly } from '../orders/errors.ts';
import { orderNumber } from '../orders/order-number.ts';
import { ENDING_SOON, type Ending } from '../settlement/holds.ts';
import { type UndecidedRow, undecided } from '../settlement/undecided.ts';

/** An order by its id and the number that people read out. */
interface Named {
	readonly orderId: string;
	readonly orderNumber: string;
}

interface Unknown extends Named {
	/** the refund that it is; null: the payment itself */
	readonly refundId: string | null;
	readonly operation: ProviderOperation;
	readonly since: string;
}

/** Dead letters of one group and type that failed for the same reason. */
export interface Cause {
	readonly consumer: string;
	readonly type: string;
	/** ids in it are shown as `…` */
	readonly error: string;
	readonly count: number;
	readonly latest: string;
	/** the first of the messages, at most `MOST_IDS` */
	readonly ids: readonly string[];
}

/** How many orders were confirmed so late, at most; the last step has no end. */
export interface Step {
	readonly upToSeconds: number | null;
	readonly orders: number;
}

export interface Overview {
	readonly now: string;
	readonly needsAPerson: {
		/** payments and refunds that have been `Unknown` for a while; the oldest first, at most `MOST_SHOWN` */
		readonly payments: readonly Unknown[];
		readonly deadLetters: readonly Cause[];
		/** orders whose money the provider holds for less than another hour: how many, and the first of them */
		readonly holdsEndingSoon: { readonly count: number; readonly first: readonly Named[] };
		readonly pausedGroups: readonly { readonly group: string; readonly since: string; readonly by: string }[];
	};
	/** unfinished orders by what they wait for, and messages that wait to be sent */
	readonly waiting: {
		readonly forBuyers: number;
		readonly onHold: number;
		readonly overdue: number;
		readonly forRelease: number;
		readonly forCapture: number;
		readonly forRefund: number;
		readonly messages: number;
		readonly oldestMessageSeconds: number;
	};
	/** of the orders that were confirmed last: how long after the end of their windows */
	readonly lateness: readonly Step[];
	readonly nodes: readonly { readonly id: string; readonly services: readonly string[]; readonly available: boolean }[];
}

/** Most payments are known again by then. */
const UNDECIDED_FOR = '10s';
const MOST_SHOWN = 50;
const MOST_CAUSES = 50;
/** So many can be sent again with one request. */
const MOST_IDS = 300;
/** Above this number of orders or letters the exact figure does not matter. */
const MOST_COUNTED = 50_000;
/** Of the newest orders, so many are looked at for those that were confirmed. */
const MOST_LOOKED_AT = 20_000;
const STEPS = [0.1, 0.5, 1, 2, 5, 10] as const;

const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';

const CAUSES: Statement = {
	name: 'dead-letter-causes',
	isSlow: true,
	text: `SELECT consumer, type, cause AS error, count(*)::int AS count, ${instant('max(failed_at)', 'latest')},
			(array_agg(id::text ORDER BY position))[1:${MOST_IDS}] AS ids
		FROM (SELECT *, regexp_replace(left(error, 300), '${UUID}', '…', 'g') AS cause FROM dead_letters
			ORDER BY position DESC LIMIT ${MOST_COUNTED}) AS letters
		GROUP BY consumer, type, cause ORDER BY max(failed_at) DESC LIMIT ${MOST_CAUSES}`,
	values: [],
};

const PAUSED: Statement = {
	name: 'paused-groups',
	text: `SELECT consumer, ${instant('paused_at', 'since')}, paused_by AS by FROM paused_consumers ORDER BY consumer`,
	values: [],
};

const count = (condition: string, name: string): string => `(count(*) FILTER (WHERE ${condition}))::int AS "${name}"`;

const WAITING: Statement = {
	name: 'unfinished-orders',
	isSlow: true,
	text: `SELECT ${[
		count(`status = 'Pending' AND pending_until > statement_timestamp() - interval '1 second'`, 'forBuyers'),
		count(`status = 'OnHold'`, 'onHold'),
		count(`status = 'Pending' AND pending_until <= statement_timestamp() - interval '1 second'`, 'overdue'),
		count(`status = 'CancelRequested'`, 'forRelease'),
		count(`status = 'Confirmed'`, 'forCapture'),
		count(`status = 'Shipped'`, 'forRefund'),
	].join(', ')}, ${NOW} AS now
		FROM (SELECT status, pending_until FROM orders WHERE sweep_at IS NOT NULL ORDER BY sweep_at LIMIT ${MOST_COUNTED}) AS o`,
	values: [],
};

const LATENESS: Statement = {
	name: 'lateness-of-orders',
	isSlow: true,
	text: `SELECT step, count(*)::int AS orders
		FROM (SELECT width_bucket(extract(epoch FROM confirmed_at - pending_until)::float8, ARRAY[${STEPS}]::float8[]) AS step
			FROM (SELECT confirmed_at, pending_until FROM orders ORDER BY id DESC LIMIT ${MOST_LOOKED_AT}) AS newest
			WHERE confirmed_at IS NOT NULL) AS steps GROUP BY step`,
	values: [],
};

type Waiting = Omit<Overview['waiting'], 'messages' | 'oldestMessageSeconds'> & { readonly now: Instant };

/** The action `operations.overview`. */
export const overview = (): Mixin =>
	defineMixin<object>({
		actions: {
			'operations.overview': {
				visibility: 'public',
				params: { $$strict: true },
				handler({ meta }: Context<object, Meta>): Promise<Overview> {
					if (!isAdmin(callerOf(meta))) throw adminsOnly();
					return overviewOf(this.platform.database, this.broker);
				},
			},
		},
	});

async function overviewOf(database: Database, broker: ServiceBroker): Promise<Overview> {
	const [payments, causes, [ending], paused, [waiting], lateness, backlog] = await Promise.all([
		database.query<UndecidedRow>(undecided({ status: 'Unknown', olderThan: UNDECIDED_FOR })),
		database.query<Omit<Cause, 'latest'> & { latest: Instant }>(CAUSES),
		database.query<Ending>(ENDING_SOON),
		database.query<{ consumer: string; since: Instant; by: string }>(PAUSED),
		database.query<Waiting>(WAITING),
		database.query<{ step: number; orders: number }>(LATENESS),
		outboxBacklog(database),
	]);
	if (waiting === undefined) throw new Error('the orders were not counted');
	const { now, ...orders } = waiting;
	const bySteps = new Map(lateness.map(({ step, orders }) => [step, orders]));
	return {
		now: iso(now),
		needsAPerson: {
			payments: payments.slice(0, MOST_SHOWN).map(({ orderId, refundId, operation, since }) => {
				return { ...named(orderId), refundId, operation, since: iso(since) };
			}),
			deadLetters: causes.map((cause) => ({ ...cause, latest: iso(cause.latest) })),
			holdsEndingSoon: { count: ending?.ending ?? 0, first: (ending?.first ?? []).map(named) },
			pausedGroups: paused.map(({ consumer, since, by }) => ({ group: consumer, since: iso(since), by })),
		},
		waiting: { ...orders, messages: backlog.unsent, oldestMessageSeconds: Math.round(backlog.age) },
		lateness: [...STEPS, null].map((upToSeconds, step) => ({ upToSeconds, orders: bySteps.get(step) ?? 0 })),
		nodes: nodesOf(broker),
	};
}

const named = (orderId: string): Named => ({ orderId, orderNumber: orderNumber(orderId) });
const iso = (time: Instant): string => new Date(time).toISOString();

/** What Moleculer's registry knows; without a broker this process alone. */
function nodesOf({ registry }: ServiceBroker): Overview['nodes'] {
	const nodes: readonly { id: string; available: boolean }[] = registry.getNodeList({});
	const services: readonly { name: string; nodeID?: string }[] = registry.getServiceList({ skipInternal: true });
	return nodes
		.map(({ id, available }) => ({
			...{ id, available },
			services: services.flatMap(({ name, nodeID }) => (nodeID === id ? [name] : [])).sort(),
		}))
		.sort((one, other) => (one.id < other.id ? -1 : 1));
}
