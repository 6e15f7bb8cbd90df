import type { Duration } from '../../domain/time.ts';
import { Loop, lookingBack } from '../runtime/index.ts';
import { defineMixin, type Mixin } from '../service.ts';
import { outboxBacklog } from './backlog.ts';
import { OutboxRelay } from './relay.ts';

export interface WithRelay {
	relaying: Loop;
	lookingBack: Loop;
	/** there may be something to send */
	wakeRelay: () => void;
}

const FIGURES = {
	outbox_unsent_messages: 'Messages that wait in the outbox to be sent, 50000 at most.',
	outbox_failing_messages: 'Of them, those that could not be sent at least once.',
	outbox_oldest_message_age_seconds: 'How long ago the oldest of them was raised.',
};

/** Sends the outbox. Any number of processes may do so at once. `rest`: the pause after each step. */
export const relay = ({ rest }: { readonly rest: Duration }): Mixin<WithRelay> =>
	defineMixin<WithRelay>({
		created() {
			const { database, metrics } = this.platform;
			this.wakeRelay = () => this.relaying?.wake();
			metrics.read(FIGURES, async () => {
				const { unsent, failing, age } = await outboxBacklog(database);
				return {
					outbox_unsent_messages: unsent,
					outbox_failing_messages: failing,
					outbox_oldest_message_age_seconds: age,
				};
			});
		},
		// Broadcast by processes without a relay of their own.
		events: {
			'outbox.stored'() {
				this.wakeRelay();
			},
		},
		started() {
			const { carrier, database, health, signals, tracing } = this.platform;
			const sender = new OutboxRelay(database, carrier, this.logger, tracing);
			this.relaying = new Loop('outbox relay', this.logger, () => sender.step(), rest);
			this.lookingBack = lookingBack('outbox relay', this.logger, () => sender.lookBack(), this.wakeRelay);
			signals.on('outbox.unsent', this.wakeRelay);
			this.relaying.start();
			this.lookingBack.start();
			health.watch('outbox relay', this.relaying, 'broker');
		},
		async stopped() {
			this.platform.signals.off('outbox.unsent', this.wakeRelay);
			await Promise.all([this.relaying?.stop(), this.lookingBack?.stop()]);
		},
	});
