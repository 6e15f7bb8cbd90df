import type { WithDelay } from '../../mixins/delay/index.ts';
import { Loop, nowAndThen } from '../../mixins/runtime/index.ts';
import { defineMixin, type Mixin } from '../../mixins/service.ts';
import type { PaymentCalls } from './payment-calls.ts';
import { SWEEP_EVERY, Sweeper } from './sweeper.ts';

export interface WithSweeper {
	sweeper: Sweeper;
	sweeping: Loop;
}

/** `this.sweeper`: looks once a second for orders whose wake-up or event was lost. */
export const sweeper = (): Mixin<WithSweeper> =>
	defineMixin<WithSweeper, object, WithDelay & { readonly payments: PaymentCalls }>({
		created() {
			const { lateness, logger, payments, platform } = this;
			const found = new Sweeper(platform, payments, logger, () => lateness.isBehind);
			const lookBack = nowAndThen(() => found.lookBack());
			this.sweeper = found;
			this.sweeping = new Loop('sweeper', logger, async () => {
				const { found: count } = await found.sweep();
				await lookBack();
				return count > 0 ? 0 : SWEEP_EVERY;
			});
		},
		started() {
			this.sweeping.start();
			this.platform.health.watch('sweeper', this.sweeping);
		},
		async stopped() {
			await this.sweeping.stop();
		},
	});
