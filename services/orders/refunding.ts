/** Refunds of shipped orders: asking for them, once for each key, and reading them. */
import { hash } from 'node:crypto';
import type { Context } from 'moleculer';
import { type Decimal, formatDecimal } from '../../domain/money.ts';
import type { ProviderTraits } from '../../domain/provider.ts';
import type { Instant } from '../../domain/time.ts';
import { Busy, CallTooLate, isInTime } from '../../mixins/cluster/index.ts';
import { type Models, reading as reads } from '../../mixins/database/reading/index.ts';
import type { Change, WithOutbox } from '../../mixins/outbox/index.ts';
import { defineMixin, type Mixin } from '../../mixins/service.ts';
import { inCurrency, readAmount } from './amounts.ts';
import { type Caller, callerOf, isAdmin, type Meta, maySee } from './caller.ts';
import { adminsOnly, inProgress, keyReused, notFound, refusalError } from './errors.ts';
import { type IdempotencyKey, KEY_STORED_SINCE, storeKeys, takeKeys, whileInProgress } from './keys.ts';
import type { WithChanging } from './mixins.ts';
import type { RefundParams } from './params.ts';
import { type RefundDto, refundToDto } from './refund-dto.ts';

export interface WithRefunding {
	/** Throws if the caller may see no such order or may not give money back, or if the order refuses. */
	giveBack: (ctx: Context<RefundParams, Meta>) => Promise<RefundDto>;
	/** The refunds of an order that the caller may see, the oldest first. */
	readRefunds: (orderId: string, currency: string) => Promise<RefundDto[]>;
}

/** What came of a request for a refund, and the clock at which that was true. */
type Given =
	| { readonly kind: 'created'; readonly answer: RefundDto; readonly now: Instant }
	| { readonly kind: 'replayed'; readonly answer: RefundDto; readonly now: Instant }
	| { readonly kind: 'key-reused' }
	| { readonly kind: 'in-progress' };

/** What is asked for. */
interface Asked {
	readonly ctx: Context<RefundParams, Meta>;
	/** who asks, and whom the key belongs to */
	readonly by: Caller;
	readonly caller: string;
	/** null: all that is left */
	readonly amount: Decimal | null;
	readonly idempotency: IdempotencyKey | null;
}

/** `this.giveBack`, `this.readRefunds`. */
export const refunding = (): Mixin<WithRefunding> =>
	defineMixin<WithRefunding, object, WithOutbox & WithChanging & { readonly models: Models }>({
		created() {
			this.giveBack = async (ctx) => {
				const asked = readAsked(ctx);
				const given = await whileInProgress<Given>(() =>
					this.turns.take(ctx.params.id, async () => {
						if (!isInTime(ctx)) throw new CallTooLate();
						return this.outbox.transaction(
							'orders.refund',
							giving(asked, this.platform.provider.traits),
							KEY_STORED_SINCE,
						);
					}),
				);
				if (given.kind === 'in-progress') throw inProgress();
				if (given.kind === 'key-reused') throw keyReused();
				ctx.meta.now = given.now;
				ctx.meta.replayed = given.kind === 'replayed';
				return given.answer;
			};
			this.readRefunds = async (orderId, currency) => {
				const rows = await reads(this.platform.database, () =>
					this.models.refunds.findAll({ where: { orderId }, order: [['id', 'ASC']] }),
				);
				return rows.map((row) => refundToDto(row.get({ plain: true }), orderId, currency));
			};
		},
	});

function readAsked(ctx: Context<RefundParams, Meta>): Asked {
	const { id, amount: written, reason, idempotencyKey: key } = ctx.params;
	const by = callerOf(ctx.meta);
	const amount = written === undefined ? null : readAmount(written);
	// The order belongs to what the key is for.
	const asked = JSON.stringify(['refund', id, amount && formatDecimal(amount), reason ?? null]);
	const idempotency = key === undefined ? null : { key, fingerprint: hash('sha256', asked, 'base64') };
	return { ctx, by, caller: by.subject, amount, idempotency };
}

const giving =
	(asked: Asked, provider: ProviderTraits): Change<Given> =>
	async (work, tx, tries) => {
		const { ctx, by, caller, amount, idempotency } = asked;
		const { id, reason } = ctx.params;
		const { held } = await takeKeys(tx, [asked]);
		const key = held.get(asked);
		if (idempotency !== null && key === undefined) return { kind: 'in-progress' };
		const { orders, busy } = await work.lockSoon([id], tries === 1);
		if (busy.has(id)) throw new Busy('Somebody else works on this order.');
		const order = orders.get(id);
		if (!isInTime(ctx)) throw new CallTooLate(); // checked here: after this only the commit can wait
		if (order === undefined || !maySee(by, order.record.owner)) throw notFound();
		if (!isAdmin(by)) throw adminsOnly();
		const { now } = work.moment;
		if (key !== undefined && key.answer !== null) {
			if (key.fingerprint !== idempotency?.fingerprint) return { kind: 'key-reused' };
			return { kind: 'replayed', answer: JSON.parse(key.answer), now };
		}
		work.trace(id, ctx.meta.traceparent ?? null);
		const { currency } = order.record.amount;
		const refund = order.refund(amount && inCurrency(amount, currency, provider), reason ?? null, work.moment);
		if (!refund.ok) throw refusalError(refund.error);
		const answer = refundToDto(refund.value, id, currency);
		work.save();
		if (idempotency !== null) {
			tx.write(storeKeys([{ ...idempotency, caller, orderId: id, answer: JSON.stringify(answer), createdAt: now }]));
		}
		return { kind: 'created', answer, now };
	};
