import type { HandOverCall } from '../../domain/commands.ts';
import type { HandOverOutcome } from '../../domain/shipment.ts';
import { outside, type Perform } from '../../mixins/calls/index.ts';
import { crashPoint } from '../../mixins/runtime/index.ts';

/** Hands one parcel over, under a key made of the order's id, so that a repeat does nothing. */
export const handOver: Perform<HandOverCall, HandOverOutcome> = async function ({ orderId }, _isInTime, signal, cause) {
	crashPoint('before:parcel.call');
	const request = { orderId, idempotencyKey: `${orderId}:hand-over` };
	const outcome = await outside(this.platform, { operation: 'hand_over', orderId, cause }, () =>
		this.platform.parcels.handOver(request, signal),
	);
	crashPoint('after:parcel.call');
	return outcome;
};
