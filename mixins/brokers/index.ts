export {
	type BatchHandler,
	type Carrier,
	type CarrierMessage,
	type Delivery,
	type Failure,
	LONGEST_BODY,
	type SubscribeOptions,
	type Subscription,
	type Topology,
} from './carrier.ts';
export { carrierOf, type ProcessCarrier } from './carrier-of.ts';
export { type Envelope, toEnvelope, traceOf } from './envelope.ts';
export { Groups } from './groups.ts';
export { type Linkable, NotSent, type TransporterError } from './linkable.ts';
export { Refusals } from './refusals.ts';
export { transporterOf } from './transporter-of.ts';
export { ANSWER_WITHIN, beginWithin, HEARTBEAT, REQUEST_TIMEOUT } from './transporter-options.ts';
export { brokerReason, brokerTrouble } from './trouble.ts';
