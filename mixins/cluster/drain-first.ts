/** Moleculer middlewares that services rely on. */
import type { Middleware, Service, ServiceBroker } from 'moleculer';

interface Draining extends Service {
	/** ends long waits, before Moleculer waits for calls in progress */
	drain?(): unknown;
}

const drain = async (service: Draining): Promise<void> => {
	await service.drain?.();
};

/**
 * Calls `drain` of the services as the first step of a stop. It has to come after Moleculer's own middlewares in the
 * list: stop hooks run from the last to the first, and the context tracker's hook waits for calls in progress.
 */
export const drainFirst: Middleware = {
	name: 'DrainFirst',
	stopping: async (broker: ServiceBroker) => {
		await Promise.all(broker.services.map(drain));
	},
	serviceStopping: drain,
};
