import type { HandOverCall } from '../../domain/commands.ts';
import type { HandOverOutcome } from '../../domain/shipment.ts';
import type { Perform } from '../../mixins/calls/index.ts';
import { crashPoint } from '../../mixins/runtime/index.ts';

/** Hands one parcel over, under a key made of the order's id, so that a repeat does nothing. */
export const handOver: Perform<HandOverCall, HandOverOutcome> = async function ({ orderId }, _isInTime, signal) {
	crashPoint('before:parcel.call');
	const outcome = await this.platform.parcels.handOver({ orderId, idempotencyKey: `${orderId}:hand-over` }, signal);
	crashPoint('after:parcel.call');
	return outcome;
};
