import type { HandOverCall } from '../domain/commands.ts';
import { calls } from '../mixins/calls/index.ts';
import { inbox } from '../mixins/inbox/index.ts';
import { outbox } from '../mixins/outbox/index.ts';
import { defineService } from '../mixins/service.ts';
import { handOver } from './shipping/hand-over.ts';
import { GATHER } from './topology.ts';

/** Hands over the parcels of captured orders: by intent and key, like the payments. */
export default defineService({
	name: 'shipping',
	mixins: [
		inbox('shipping', {
			takes: ['PaymentCaptured', 'ShipmentDue'],
			decide: 'nextHandOver',
			calls: 'parcels',
			linger: GATHER,
		}),
		calls('parcels', { perform: handOver, settle: 'handedOver' }),
		outbox(),
	],
	methods: {
		/** the next call that the order needs, if any */
		nextHandOver(order, _message, moment): HandOverCall | null {
			return order.beginHandOver(moment, this.platform.settings.providerTimeout);
		},
		handedOver(order, { call, outcome }, moment): null {
			order.applyHandOverOutcome(call.attempt, outcome, moment);
			return null;
		},
	},
});
