/** What the documentation shows of the console's own calls; the tests hold each against its schema. */
import type { Overview } from '../../outbox-relay/overview.ts';

const ORDER = {
	orderId: '01a204ea-7a9f-7000-8000-055d243c1f4d',
	orderNumber: 'ORD-01M82EMYMZE0080005BMJ3R7TD',
};

const LETTER = '01a204ea-7aa1-7000-8000-0b2c6f0d9e11';

const OVERVIEW: Overview = {
	now: '2026-01-31T20:24:00.000Z',
	needsAPerson: {
		payments: [{ ...ORDER, refundId: null, operation: 'capture', since: '2026-01-31T20:20:06.101Z' }],
		deadLetters: [
			{
				consumer: 'settlement',
				type: 'OrderPending',
				error: 'the order … is not there',
				count: 1,
				latest: '2026-01-31T20:21:07.000Z',
				ids: [LETTER],
			},
		],
		holdsEndingSoon: { count: 0, first: [] },
		pausedGroups: [],
	},
	waiting: {
		...{ forBuyers: 12, onHold: 1, overdue: 0, forRelease: 0, forCapture: 1, forRefund: 0 },
		...{ messages: 0, oldestMessageSeconds: 0 },
	},
	lateness: [
		{ upToSeconds: 0.1, orders: 940 },
		{ upToSeconds: null, orders: 0 },
	],
	nodes: [{ id: 'gateway-0', services: ['gateway'], available: true }],
};

export const CONSOLE = {
	overview: OVERVIEW,
	resolve: {
		taken: {
			summary: 'The money was taken',
			value: { orderId: ORDER.orderId, outcome: 'captured', note: "Seen on the provider's page." },
		},
	},
	replay: { one: { summary: 'One message', value: { ids: [LETTER] } } },
	resume: { shipping: { summary: 'The group that ships', value: { group: 'shipping' } } },
	resumed: { group: 'shipping', wasPaused: true },
} as const;
