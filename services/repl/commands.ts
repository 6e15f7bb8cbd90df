/** What operators type in the REPL to look at orders and messages; `replOptions.customCommands` of a Moleculer broker. */
import { styleText } from 'node:util';
import type { BrokerOptions, ServiceBroker } from 'moleculer';
import type { Attempt } from '../../domain/attempts.ts';
import { ORDER_STATUSES } from '../../domain/order-record.ts';
import { DAY, type Duration } from '../../domain/time.ts';
import type { DeadLetter } from '../../mixins/inbox/index.ts';
import type { OutboxStats } from '../../mixins/outbox/index.ts';
import type { OrderDto } from '../orders/order-dto.ts';
import { reconcileInSteps } from './reconcile.ts';

type CustomCommand = NonNullable<NonNullable<BrokerOptions['replOptions']>['customCommands']>[number];

/** A command of moleculer-repl. What it does not know itself is completed by `ReplSession`. */
export interface ReplCommand extends CustomCommand {
	readonly allowUnknownOptions?: boolean;
	/** The words that can follow these. */
	complete(words: readonly string[], broker: ServiceBroker): Promise<readonly string[]>;
}

/** What follows `pp`. */
interface Request {
	readonly words: readonly string[];
	/** `true` for an option without its value */
	readonly options: Readonly<Record<string, string | true>>;
}

interface Topic {
	readonly usage: string;
	readonly does: string;
	readonly options?: readonly string[];
	/** Returns the lines to print. */
	run(call: Call, words: readonly string[], options: Options, say: Say): Promise<readonly string[]>;
	complete?(words: readonly string[], call: Call): Promise<readonly string[]>;
}

interface Options {
	readonly status?: string;
	readonly limit?: number;
	readonly cursor?: string;
}

/** Prints a line at once. */
type Say = (line: string) => void;

type Call = <T>(action: string, params?: object) => Promise<T>;

interface Page<T> {
	readonly data: readonly T[];
	readonly nextCursor: string | null;
}

interface Event {
	readonly type: string;
	readonly occurredAt: string;
	readonly data: Readonly<Record<string, string | number | null | readonly Pick<Attempt, 'outcome'>[]>>;
}

/** A mistake in what was typed. */
class Mistake extends Error {}

const OPTIONS = [
	{ option: '--status [status]', description: `orders: only those in this state (${ORDER_STATUSES.join(', ')})` },
	{ option: '--limit [count]', description: 'orders, dead: how many at most' },
	{ option: '--cursor [cursor]', description: 'orders: goes on where the page before ended' },
];

const TOPICS: Readonly<Record<string, Topic>> = {
	orders: {
		usage: 'pp orders [--status STATUS] [--limit N] [--cursor CURSOR]',
		does: 'the newest orders',
		options: ['status', 'limit', 'cursor'],
		async run(call, words, options) {
			expectWords(words, 0, 0);
			const { data, nextCursor } = await call<Page<OrderDto>>('orders.list', options);
			const rows = data.map((order) => [
				order.id,
				order.status,
				order.paymentStatus,
				`${order.amount} ${order.currency}`,
				order.createdAt,
				order.productName,
			]);
			if (rows.length === 0) return ['no orders'];
			const status = options.status === undefined ? '' : ` --status ${options.status}`;
			const more = nextCursor === null ? [] : ['', `more: pp orders${status} --cursor ${nextCursor}`];
			return [...table(['ORDER', 'STATUS', 'PAYMENT', 'AMOUNT', 'CREATED', 'PRODUCT'], rows), ...more];
		},
	},
	order: {
		usage: 'pp order <id>',
		does: 'an order and its history',
		async run(call, words) {
			expectWords(words, 1, 1);
			const [id] = words;
			const order = await call<OrderDto>('orders.get', { id });
			const events = await historyOf(call, id);
			const facts = Object.entries(order).flatMap(([name, value]) => (value === null ? [] : [[name, String(value)]]));
			const first = Date.parse(events[0]?.occurredAt ?? '');
			const timeLine = events.map(({ type, occurredAt, data: { version: _, ...data } }) => [
				occurredAt,
				`+${elapsed(Date.parse(occurredAt) - first)}`,
				type,
				Object.entries(data)
					.map(([name, value]) => `${name}=${shown(value)}`)
					.join(' '),
			]);
			return [...aligned(facts), '', ...table(['TIME', 'SINCE', 'EVENT', 'DATA'], timeLine)];
		},
		complete: async ([id], call) =>
			id === undefined ? (await call<Page<OrderDto>>('orders.list')).data.map((order) => order.id) : [],
	},
	outbox: {
		usage: 'pp outbox',
		does: 'messages that wait to be sent, and why',
		async run(call, words) {
			expectWords(words, 0, 0);
			const { unsent, failing, oldest, errors } = await call<OutboxStats>('outbox.stats');
			const totals = aligned([
				['unsent', String(unsent)],
				['failing', String(failing)],
				...(unsent === 0 ? [] : [['oldest', `${elapsed(oldest)} ago`]]),
			]);
			if (errors.length === 0) return totals;
			const rows = errors.map(({ id, type, attempts, error }) => [id, type, String(attempts), error]);
			return [...totals, '', ...table(['MESSAGE', 'TYPE', 'ATTEMPTS', 'ERROR'], rows)];
		},
	},
	dead: {
		usage: 'pp dead [--limit N] | pp dead replay [id…]',
		does: 'messages that could not be handled; sends them again, all or some',
		options: ['limit'],
		async run(call, [verb, ...ids], options) {
			if (verb === 'replay') {
				if (options.limit !== undefined) throw new Mistake('replay takes no --limit');
				const { replayed } = await call<{ replayed: number }>('deadletters.replay', ids.length === 0 ? {} : { ids });
				if (replayed < ids.length)
					throw new Mistake(`${ids.length - replayed} of these cannot be sent again, or are no dead letters`);
				return [`${replayed} ${replayed === 1 ? 'dead letter is' : 'dead letters are'} sent again`];
			}
			if (verb !== undefined) throw new Mistake(`dead takes \`replay\`, not ${verb}`);
			const letters = await deadLetters(call, options);
			if (letters.length === 0) return ['no dead letters'];
			const rows = letters.map(({ id, consumer, type, key, attempts, failedAt, error }) => {
				return [id, consumer, type, key ?? '-', String(attempts), new Date(failedAt).toISOString(), error];
			});
			return table(['MESSAGE', 'GROUP', 'TYPE', 'ORDER', 'ATTEMPTS', 'FAILED', 'ERROR'], rows);
		},
		complete: async ([verb], call) => (verb === undefined ? ['replay'] : (await deadLetters(call)).map(({ id }) => id)),
	},
	reconcile: {
		usage: 'pp reconcile [dry-run] [SINCE]',
		does: "compares the payment provider's list with our orders since then (the last 25 h), and mends what it may",
		async run(call, words, _options, say) {
			expectWords(words, 0, 2);
			const dryRun = words[0] === 'dry-run';
			const [since] = dryRun ? words.slice(1) : words;
			const asked = { dryRun, ...(since === undefined ? {} : { since }) };
			const { checked, voided, refunded, differences } = await reconcileInSteps(call, asked, say);
			const would = dryRun ? 'would be ' : '';
			const total = `${checked} payments compared, ${voided} ${would}voided, ${refunded} ${would}refunded`;
			if (differences.length === 0) return [total];
			const rows = differences.map(({ orderId, reference, problem, remedy, outcome }) => {
				return [orderId, reference, problem, remedy ?? 'a person must look', outcome ?? '-'];
			});
			return [...table(['ORDER', 'PAYMENT', 'PROBLEM', 'REMEDY', 'OUTCOME'], rows), '', total];
		},
		complete: async (words) => (words.length === 0 ? ['dry-run'] : []),
	},
};

const pp: ReplCommand = {
	command: 'pp [what] [words...]',
	description: 'Orders and messages: pp orders, order <id>, outbox, dead; pp alone tells more',
	options: OPTIONS,
	allowUnknownOptions: true, // or moleculer-repl would print its whole help
	parse(command: { args: string[]; opts(): Request['options']; params?: Request }) {
		command.params = { words: [...command.args], options: { ...command.opts() } };
	},
	async action(broker, params: unknown) {
		const { words, options } = params as Request;
		try {
			const say: Say = (line) => void process.stdout.write(`${line}\n`);
			for (const line of await answer(callBy(broker), words, options, say)) say(line);
		} catch (error) {
			process.stderr.write(`pp: ${reasonOf(error)}\n`);
		}
	},
	async complete([name, ...words], broker) {
		if (name === undefined) return Object.keys(TOPICS);
		const { complete, options = [] } = TOPICS[name] ?? {};
		if (words.at(-1) === '--status' && options.includes('status')) return ORDER_STATUSES;
		const more = await complete?.(words, callBy(broker));
		return [...(more ?? []), ...options.map((option) => `--${option}`)];
	},
};

export const replCommands: ReplCommand[] = [pp];

async function answer(
	call: Call,
	words: readonly string[],
	options: Request['options'],
	say: Say,
): Promise<readonly string[]> {
	const [name, ...rest] = words;
	if (name === undefined) return aligned(Object.values(TOPICS).map(({ usage, does }) => [usage, does]));
	const topic = Object.hasOwn(TOPICS, name) ? TOPICS[name] : undefined;
	if (topic === undefined) throw new Mistake(`there is no ${name}: ${Object.keys(TOPICS).join(', ')}`);
	const unknown = rest.find((word) => word.startsWith('-'));
	const given = Object.entries(options).map(([option, value]) => {
		if (!topic.options?.includes(option)) throw new Mistake(`${name} takes no --${option}: ${topic.usage}`);
		if (value === true) throw new Mistake(`--${option} needs a value: ${topic.usage}`);
		if (option === 'limit' && !/^\d+$/.test(value)) throw new Mistake(`--limit takes a number, not ${value}`);
		return [option, option === 'limit' ? Number(value) : value];
	});
	if (unknown !== undefined) throw new Mistake(`${name} takes no ${unknown}: ${topic.usage}`);
	return topic.run(call, rest, Object.fromEntries(given), say);
}

function expectWords(words: readonly string[], least: number, most: number): void {
	if (words.length < least) throw new Mistake('an id is missing');
	if (words.length > most) throw new Mistake(`too much: ${words.slice(most).join(' ')}`);
}

/** The mark is moleculer-repl's own, of what a person asked for. */
const callBy =
	(broker: ServiceBroker): Call =>
	(action, params = {}) =>
		broker.call(action, params, { meta: { $repl: true } });

const deadLetters = async (call: Call, options: Options = {}): Promise<readonly DeadLetter[]> =>
	(await call<Pick<Page<DeadLetter>, 'data'>>('deadletters.list', options)).data;

/** Of attempts only what became of them. */
const shown = (value: Event['data'][string]): string =>
	typeof value === 'object' && value !== null ? value.map(({ outcome }) => outcome).join(',') : String(value);

async function historyOf(call: Call, id: string | undefined): Promise<readonly Event[]> {
	const events: Event[] = [];
	let cursor: string | null = null;
	do {
		const page: Page<Event> = await call('orders.history', { id, ...(cursor === null ? {} : { cursor }) });
		events.push(...page.data);
		cursor = page.nextCursor;
	} while (cursor !== null);
	return events;
}

/** `00:10:00.012`, with the days before it if there are any. */
function elapsed(time: Duration): string {
	const days = Math.floor(time / DAY);
	return `${days === 0 ? '' : `${days}d `}${new Date(time % DAY).toISOString().slice(11, -1)}`;
}

/** Columns below their names, which are bold in a terminal. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
	const [first = '', ...rest] = aligned([head, ...rows]);
	return [styleText('bold', first, { stream: process.stdout }), ...rest];
}

/** Each row is one line: no text of a message or an order can break it, or send codes to a terminal. */
function aligned(rows: readonly (readonly string[])[]): string[] {
	const clean = rows.map((row) => row.map((cell) => cell.replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ')));
	const widths = clean.reduce<number[]>(
		(widest, row) => row.map((cell, at) => Math.max(cell.length, widest[at] ?? 0)),
		[],
	);
	return clean.map((row) =>
		row
			.map((cell, at) => cell.padEnd(widths[at] ?? 0))
			.join('  ')
			.trimEnd(),
	);
}

/** One line; of parameters that do not fit it tells which. */
function reasonOf(error: unknown): string {
	const { message, data } = error as { readonly message?: string; readonly data?: unknown };
	const details = Array.isArray(data) ? data.flatMap((each: { message?: string }) => each?.message ?? []) : [];
	return (details.length > 0 ? details.join('; ') : (message ?? String(error))).replaceAll(/\s+/g, ' ');
}
