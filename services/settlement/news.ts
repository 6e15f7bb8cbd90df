/** `settlement.news`: the payment provider has said by itself that there is news of a payment. */
import { type Context, Errors } from 'moleculer';
import { v5 } from 'uuid';
import { Busy } from '../../mixins/cluster/index.ts';
import { insertInbox, type WithOutbox } from '../../mixins/outbox/index.ts';
import { NEWS, type ProviderNews } from '../../mixins/providers/index.ts';
import { defineMixin, type Mixin } from '../../mixins/service.ts';
import type { ObjectSchema } from '../../mixins/validation/index.ts';

/** What has come of a message: the provider is asked; it would say nothing new; it was asked for this message before. */
export interface Heard {
	readonly result: 'asked' | 'nothing' | 'known' | 'not ours';
}

const NEWS_PARAMS: ObjectSchema = {
	type: 'object',
	properties: {
		id: { type: 'string', minLength: 1, maxLength: 255 },
		isLive: { type: 'boolean' },
		about: { enum: [...NEWS, null] },
		reference: { type: ['string', 'null'], maxLength: 255 },
		orderId: { type: ['string', 'null'], format: 'uuid' },
		refund: { type: ['string', 'null'], maxLength: 255 },
	},
	required: ['id', 'isLive', 'about', 'reference', 'orderId', 'refund'],
	additionalProperties: false,
};

export interface Hearing {
	/** Has the provider asked, if the message is about a payment that could have changed. */
	hear(message: OfOrder): Promise<Heard['result']>;
}

/** Of an order that may be ours. */
type OfOrder = Omit<ProviderNews, 'refund'> & {
	readonly refund?: ProviderNews['refund'];
	readonly about: NonNullable<ProviderNews['about']>;
	readonly orderId: string;
	readonly reference: string;
};

/** In the inbox, as if it were a consumer group. */
const CONSUMER = 'provider';

/**
 * The action `news`. A message is not believed: the order that it names is locked, and if its payment has the name that
 * the message gives and could have changed, the wake-up `PaymentDue` has the provider asked. That, and the message's id in
 * the inbox, are one transaction. So it does no harm if a message comes twice, late, early, or for somebody else's order.
 */
export const news = (): Mixin<Hearing> =>
	defineMixin<Hearing, object, WithOutbox>({
		actions: {
			'settlement.news': {
				visibility: 'public',
				params: NEWS_PARAMS,
				async handler({ params }: Context<ProviderNews>): Promise<Heard> {
					if (params.isLive !== this.platform.settings.stripe.isLive) throw wrongMode(params.isLive);
					const { about, orderId, reference } = params;
					if (about === null) return { result: 'nothing' };
					if (orderId === null || reference === null) return { result: 'not ours' };
					return { result: await this.hear({ ...params, about, orderId, reference }) };
				},
			},
		},
		methods: {
			hear({ id, about, orderId, reference, refund = null }: OfOrder): Promise<Heard['result']> {
				return this.outbox.transaction('provider.handle', async (work, tx, tries) => {
					const { orders, busy } = await work.lockSoon([orderId], tries === 1);
					if (busy.has(orderId)) throw new Busy('Somebody else works on this order.');
					const order = orders.get(orderId);
					if (order === undefined || order.payment.reference !== reference) return 'not ours';
					const before = order.payment;
					// That an authorised payment was authorised is no news.
					const mayAsk = about === 'hold' || (about === 'authorization' && before.status === 'ActionRequired');
					if (mayAsk) order.askProvider(work.moment);
					const asksRefunds = about === 'refund' && order.askForRefunds(refund, work.moment);
					if (order.payment === before && !asksRefunds) return 'nothing';
					const fresh = await insertInbox(tx, CONSUMER, [{ id: v5(id, v5.URL), key: orderId }]);
					if (fresh.size === 0) return 'known';
					work.save();
					return 'asked';
				});
			},
		},
	});

function wrongMode(isLive: boolean): Error {
	const [sent, own] = isLive ? ['live', 'test'] : ['test', 'live'];
	const message = `This is a ${sent} event, and the key of this system is not a ${sent} but a ${own} key.`;
	return new Errors.MoleculerClientError(message, 400, 'Webhooks.WrongMode');
}
