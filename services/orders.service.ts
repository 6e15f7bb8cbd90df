import type { Context } from 'moleculer';
import { isInTime, READ_POLICY } from '../mixins/cluster/index.ts';
import { readClock } from '../mixins/database/index.ts';
import { outbox } from '../mixins/outbox/index.ts';
import { defineService } from '../mixins/service.ts';
import { inCurrency, readAmount } from './orders/amounts.ts';
import { callerOf, type Meta } from './orders/caller.ts';
import { following } from './orders/changes/following.ts';
import { placingError } from './orders/errors.ts';
import { versionOf, waitForChange } from './orders/long-poll.ts';
import { changing, longPolls, placing } from './orders/mixins.ts';
import { readNewOrder } from './orders/new-order.ts';
import { type OrderDto, orderToDto, rowToDto, viewToDto } from './orders/order-dto.ts';
import {
	AMEND_PARAMS,
	type AmendParams,
	CREATE_PARAMS,
	type CreateParams,
	GET_PARAMS,
	type GetParams,
	HISTORY_PARAMS,
	type HistoryParams,
	ID_PARAMS,
	LIST_PARAMS,
	type ListParams,
	REFUND_PARAMS,
	type RefundParams,
} from './orders/params.ts';
import { paymentLinks } from './orders/payment-links.ts';
import { type History, type Page, reading } from './orders/reading.ts';
import type { RefundDto } from './orders/refund-dto.ts';
import { refunding } from './orders/refunding.ts';

type IdContext = Context<{ id: string }, Meta>;

/**
 * Creates and reads orders, and carries out the buyer's commands: cancel, hold, resume, amend; and an
 * operator's: refund. Who calls, and what is known of
 * the answer: `Meta`.
 */
export default defineService({
	name: 'orders',
	mixins: [paymentLinks(), placing(), longPolls(), refunding(), following(), changing(), reading(), outbox()],
	actions: {
		create: {
			// Checked in the handler: a request that is refused today may repeat one that was accepted earlier.
			params: { ...CREATE_PARAMS, 'x-checked-by-handler': true },
			async handler(ctx: Context<CreateParams, Meta>): Promise<OrderDto> {
				const { params, meta } = ctx;
				const caller = callerOf(meta);
				const { subject } = caller;
				const placed = await this.intake.place({
					...readNewOrder(params, subject, this.platform.settings, this.platform.provider.traits),
					caller: subject,
					traceparent: meta.traceparent ?? null,
					isInTime: () => isInTime(ctx),
					answer: (order) => orderToDto(order, caller),
				});
				if (!('answer' in placed)) throw placingError(placed);
				meta.replayed = placed.kind === 'replayed';
				meta.now = meta.replayed ? await readClock(this.platform.database) : Date.parse(placed.answer.createdAt);
				return placed.answer;
			},
		},
		get: {
			params: GET_PARAMS,
			retryPolicy: READ_POLICY,
			// Waiting requests are many and cost only memory. The order watch limits them; the pool's time limit bounds the
			// reads.
			bulkhead: { enabled: false },
			async handler(ctx: Context<GetParams, Meta>): Promise<OrderDto> {
				const { params, meta } = ctx;
				const caller = callerOf(meta);
				const waits = params.wait !== undefined && !this.watch.isFull;
				if (params.wait) ctx.locals.meteredAs = 'orders.get (waiting)';
				if (waits) meta.waited = params.wait;
				const found = waits
					? await waitForChange(this.watch, caller, params, meta.waitTicket)
					: await this.readOrder(caller, params.id);
				const order = 'version' in found ? viewToDto(found, caller) : rowToDto(found, caller);
				meta.now = Number(found.now);
				meta.version = versionOf(order);
				return order;
			},
		},
		list: {
			params: LIST_PARAMS,
			retryPolicy: READ_POLICY,
			async handler({ params, meta }: Context<ListParams, Meta>): Promise<Page<OrderDto>> {
				const { page, now } = await this.readPage(callerOf(meta), params);
				if (now !== undefined) meta.now = Number(now);
				return page;
			},
		},
		history: {
			params: HISTORY_PARAMS,
			retryPolicy: READ_POLICY,
			async handler({ params, meta }: Context<HistoryParams, Meta>): Promise<History> {
				const caller = callerOf(meta);
				const { now } = await this.readOrder(caller, params.id);
				meta.now = Number(now);
				return this.readHistory(caller, params);
			},
		},
		cancel: {
			params: ID_PARAMS,
			handler(ctx: IdContext): Promise<OrderDto> {
				return this.change(ctx, (order, moment) => order.cancel(moment));
			},
		},
		hold: {
			params: ID_PARAMS,
			handler(ctx: IdContext): Promise<OrderDto> {
				return this.change(ctx, (order, moment) => order.hold(moment, this.platform.settings.holdLimit));
			},
		},
		resume: {
			params: ID_PARAMS,
			handler(ctx: IdContext): Promise<OrderDto> {
				return this.change(ctx, (order, moment) => order.resume(moment));
			},
		},
		amend: {
			params: AMEND_PARAMS,
			async handler(ctx: Context<AmendParams, Meta>): Promise<OrderDto> {
				const amount = readAmount(ctx.params.amount);
				return this.change(ctx, (order, moment) =>
					order.amend(inCurrency(amount, order.record.amount.currency, this.platform.provider.traits), moment),
				);
			},
		},
		refund: {
			params: REFUND_PARAMS,
			handler(ctx: Context<RefundParams, Meta>): Promise<RefundDto> {
				return this.giveBack(ctx);
			},
		},
		refunds: {
			params: ID_PARAMS,
			retryPolicy: READ_POLICY,
			async handler({ params, meta }: IdContext): Promise<{ readonly data: readonly RefundDto[] }> {
				const { currency, now } = await this.readOrder(callerOf(meta), params.id);
				meta.now = Number(now);
				return { data: await this.readRefunds(params.id, currency) };
			},
		},
	},
});
