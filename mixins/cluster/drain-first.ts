/** Moleculer middlewares that services rely on. */
import type { Middleware, Service, ServiceBroker } from 'moleculer';

interface Draining extends Service {
	/** lets go of what waits, before the calls under way are waited for */
	drain?(): unknown;
}

const drain = async (service: Draining): Promise<void> => {
	await service.drain?.();
};

/**
 * Calls `drain` of the services before anything else of a stop. It has to stand behind Moleculer's own middlewares: stop
 * hooks run from the last to the first, and the context tracker's waits for the calls under way.
 */
export const drainFirst: Middleware = {
	name: 'DrainFirst',
	stopping: async (broker: ServiceBroker) => {
		await Promise.all(broker.services.map(drain));
	},
	serviceStopping: drain,
};
