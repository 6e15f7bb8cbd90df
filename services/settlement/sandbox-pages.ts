/** `settlement.sandboxPage` and `settlement.sandboxAnswer`: the page where the sandbox asks the buyer, as a bank would. */
import { type Context, Errors } from 'moleculer';
import { formatAmount } from '../../domain/money.ts';
import { SandboxProvider } from '../../mixins/providers/index.ts';
import { errorMessage } from '../../mixins/runtime/index.ts';
import { defineMixin, type Mixin } from '../../mixins/service.ts';
import { storedUnits } from '../../mixins/validation/index.ts';
import type { Hearing } from './news.ts';
import { ANSWER_PARAMS, type AnswerParams, PAGE_PARAMS } from './sandbox-params.ts';

/** What the buyer is asked. */
export interface SandboxPage {
	/** major units as an exact decimal */
	readonly amount: string;
	readonly currency: string;
	/** null while the buyer's answer is waited for */
	readonly endedAs: 'succeeded' | 'failed' | 'cancelled' | null;
}

interface Internal {
	sandbox(): SandboxProvider;
}

/** For the gateway. It needs no caller: a bank does not know who may see an order, and the page's name is the secret. */
export const sandboxPages = (): Mixin =>
	defineMixin<object, Internal, Hearing>({
		actions: {
			'settlement.sandboxPage': {
				visibility: 'public',
				params: PAGE_PARAMS,
				async handler({ params }: Context<{ page: string }>): Promise<SandboxPage> {
					const asked = await this.sandbox().question(params.page);
					if (asked === undefined) throw noSuchPage();
					const { amount: minor, currency, endedAs } = asked;
					return { amount: formatAmount({ minor, currency }, storedUnits), currency, endedAs };
				},
			},
			'settlement.sandboxAnswer': {
				visibility: 'public',
				params: ANSWER_PARAMS,
				async handler({ params: { page, outcome } }: Context<AnswerParams>): Promise<void> {
					const answered = await this.sandbox().answer(page, outcome);
					if (answered === undefined) throw noSuchPage();
					const { counts, orderId, reference } = answered;
					if (!counts) throw new Errors.MoleculerClientError(ENDED, 409, 'Orders.InvalidState');
					// As a bank's webhook would, and as little is lost if it does not come: the sandbox is asked all the same.
					const news = { id: `sandbox ${page}`, isLive: false, about: 'authorization', orderId, reference } as const;
					await this.hear(news).catch((error: unknown) =>
						this.logger.debug(`order ${orderId}: the sandbox is not asked at once: ${errorMessage(error)}`),
					);
				},
			},
		},
		methods: {
			sandbox(): SandboxProvider {
				const { provider } = this.platform;
				if (provider instanceof SandboxProvider) return provider;
				throw noSuchPage();
			},
		},
	}) as Mixin;

const ENDED = 'This payment was answered already, or cancelled.';

const noSuchPage = (): Error =>
	new Errors.MoleculerClientError('There is nothing at this path.', 404, 'Route.NotFound');
