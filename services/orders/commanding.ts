import { setTimeout as pause } from 'node:timers/promises';
import type { Moment } from '../../domain/commands.ts';
import type { Refusal } from '../../domain/errors.ts';
import type { Order } from '../../domain/order.ts';
import type { Result } from '../../domain/result.ts';
import type { Duration, Instant } from '../../domain/time.ts';
import { Busy, CallTooLate } from '../../mixins/cluster/index.ts';
import { isTransient } from '../../mixins/database/index.ts';
import type { Outbox, UnitOfWork } from '../../mixins/outbox/index.ts';
import { Batcher, bisect } from '../../mixins/runtime/index.ts';
import { type Caller, maySee } from './caller.ts';
import { notFound } from './errors.ts';

/** Decides about an order; may throw what says that the command itself is wrong. */
export type Command = (order: Order, moment: Moment) => Result<void, Refusal>;

/** A buyer's or an operator's command on one order. */
export interface CommandRequest {
	readonly id: string;
	readonly caller: Caller;
	readonly command: Command;
	readonly traceparent: string | null;
	/** false once it may not be carried out any more, because the caller may have been answered */
	readonly isInTime: () => boolean;
}

/** The result of a command, and the database's clock at the decision. */
export interface Decided {
	readonly order: Order;
	readonly result: Result<void, Refusal>;
	readonly now: Instant;
}

type Answer =
	| { readonly kind: 'decided'; readonly decided: Decided }
	/** another transaction has the order */
	| { readonly kind: 'busy' }
	| { readonly kind: 'failed'; readonly error: unknown };

const BUSY: Answer = { kind: 'busy' };

/** An order that another transaction has is mostly free again soon: how long until the next try, in a group again. */
const BUSY_PAUSES: readonly Duration[] = [10, 20, 40, 80];

/** How many groups (transactions) are written at once; fewer requests than 16 wait until none is. */
const GROUP = { size: 100, inFlight: 2, worthwhile: 16 };

/**
 * Carries out commands. Those that arrive together share one transaction (group commit): around the end of many windows,
 * a cancel would otherwise wait too long to be in time. A command that fails does not harm the others of its group. One
 * whose order another transaction has leaves the group and tries again; in the end it waits alone, because a lock may be
 * held for long.
 */
export class Commands {
	readonly #outbox: Outbox;
	readonly #batcher: Batcher<CommandRequest, Answer>;

	constructor(outbox: Outbox) {
		this.#outbox = outbox;
		this.#batcher = new Batcher(GROUP, (requests) => this.#together(requests));
	}

	/** Throws if the caller may see no such order, if somebody keeps the order locked, or if it is too late to decide. */
	async carryOut(request: CommandRequest): Promise<Decided> {
		let answer = await this.#batcher.add(request);
		for (const length of BUSY_PAUSES) {
			if (answer.kind !== 'busy') break;
			await pause(length);
			answer = await this.#batcher.add(request);
		}
		if (answer.kind === 'busy') answer = await this.#alone(request);
		if (answer.kind === 'failed') throw answer.error;
		if (answer.kind === 'busy') throw new Busy('Somebody else works on this order.');
		return answer.decided;
	}

	async #together(requests: readonly CommandRequest[]): Promise<readonly Answer[]> {
		const answers = new Map<CommandRequest, Answer>();
		await bisect(
			requests,
			async (group) => {
				const decided = await this.#outbox.transaction('orders.change', async (work) => {
					const { orders, busy } = await work.lockFree(group.map(({ id }) => id));
					const answerTo = (request: CommandRequest): Answer =>
						busy.has(request.id) ? BUSY : decide(work, orders.get(request.id), request);
					const pairs = group.map((request) => [request, answerTo(request)] as const);
					work.save();
					return pairs;
				});
				for (const [request, answer] of decided) answers.set(request, answer);
			},
			(request, error) => answers.set(request, { kind: 'failed', error }),
			isTransient,
		);
		return requests.map((request) => answers.get(request) ?? BUSY);
	}

	#alone(request: CommandRequest): Promise<Answer> {
		const { id } = request;
		return this.#outbox.transaction('orders.change', async (work, _tx, tries) => {
			const { orders, busy } = await work.lockSoon([id], tries === 1);
			if (busy.has(id)) return BUSY;
			const answer = decide(work, orders.get(id), request);
			work.save();
			return answer;
		});
	}
}

function decide(
	work: UnitOfWork,
	order: Order | undefined,
	{ id, caller, command, traceparent, isInTime }: CommandRequest,
): Answer {
	if (!isInTime()) return { kind: 'failed', error: new CallTooLate() }; // after this only the commit can wait
	if (order === undefined || !maySee(caller, order.record.owner)) return { kind: 'failed', error: notFound() };
	work.trace(id, traceparent);
	try {
		const result = command(order, work.moment);
		return { kind: 'decided', decided: { order, result, now: work.moment.now } };
	} catch (error) {
		work.reset(id);
		return { kind: 'failed', error };
	}
}
