/** What the documentation says about the console. */
import type { Destination } from '../http/routes.ts';
import { CONSOLE } from './console-examples.ts';
import { ORDERS } from './examples.ts';
import { NOT_MODIFIED, type Operation, PAGE } from './operation.ts';

const OF_THE_PAGE = 'For the console, and whoever has the scope `orders:admin`; it may change with any release.';

type Documented = Exclude<Extract<Destination, 'console' | `console/${string}`>, 'console/file'>;

export const CONSOLE_OPERATIONS: Readonly<Record<Documented, Operation>> = {
	console: {
		id: 'console',
		tag: 'Console',
		summary: 'The page for buyers, the shop and operators',
		description:
			'Orders as they change, and what the caller may do with each. The page needs no token; where requests need one, it asks for it. Its script and styles are below this path.',
		parameters: ['If-None-Match'],
		successes: [PAGE, NOT_MODIFIED],
	},
	'console/overview': {
		id: 'consoleOverview',
		tag: 'Console',
		summary: 'What an operator looks at first',
		description: `${OF_THE_PAGE} What needs a person, what waits, how late orders were confirmed, and which services run where.`,
		successes: [{ status: 200, description: 'The overview.', schema: 'Overview', example: CONSOLE.overview }],
		problems: ['Auth.ScopeMissing', 'Validation.Failed'],
	},
	'console/resolve': {
		id: 'consoleResolve',
		tag: 'Console',
		summary: 'Decide a payment',
		description: `${OF_THE_PAGE} For a payment that is \`Unknown\` or waits for the buyer, once somebody has looked at the provider.`,
		body: { schema: 'ResolveRequest', examples: CONSOLE.resolve },
		successes: [{ status: 200, description: 'The order.', schema: 'Order', example: ORDERS.pending }],
		problems: ['Orders.NotFound', 'Orders.InvalidState', 'Auth.ScopeMissing', 'Validation.Failed'],
	},
	'console/replay': {
		id: 'consoleReplay',
		tag: 'Console',
		summary: 'Replay dead letters',
		description: `${OF_THE_PAGE} Those that this system has never raised stay where they are.`,
		body: { schema: 'ReplayRequest', examples: CONSOLE.replay },
		successes: [{ status: 200, description: 'How many were sent.', schema: 'Replayed', example: { replayed: 1 } }],
		problems: ['Auth.ScopeMissing', 'Validation.Failed'],
	},
	'console/resume': {
		id: 'consoleResume',
		tag: 'Console',
		summary: 'Resume a consumer group',
		description: `${OF_THE_PAGE} All processes know of it within three seconds.`,
		body: { schema: 'ResumeRequest', examples: CONSOLE.resume },
		successes: [{ status: 200, description: 'The group.', schema: 'Resumed', example: CONSOLE.resumed }],
		problems: ['Auth.ScopeMissing', 'Validation.Failed'],
	},
};
