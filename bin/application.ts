/** The system, or some of its services, in this process. */
import { ServiceBroker, type ServiceSchema } from 'moleculer';
import type { Platform } from '../mixins/platform.ts';
import { type ProcessOptions, processOf } from '../mixins/process/index.ts';
import { abortable } from '../mixins/runtime/index.ts';
import type { Settings } from '../mixins/settings/index.ts';
import config from '../moleculer.config.ts';

export interface Application {
	readonly broker: ServiceBroker;
	readonly platform: Platform;
	/** where the gateway listens; undefined before it does, and in a process without it */
	readonly url: string | undefined;
	/** resolves when the database can be used and the gateway listens; rejects, with nothing left running, if it cannot */
	readonly ready: Promise<void>;
	/** not ready from now on, but still serving, for balancers */
	leave(): void;
	/** ends the work in hand, then everything else; resolves when nothing is left */
	stop(): Promise<void>;
}

/**
 * Starts the services that the settings name, and loads no others. Without a message broker it resolves before the
 * database can be used; with one, when the node has its slot and messages pass.
 */
export async function startApplication(settings: Settings, options: ProcessOptions = {}): Promise<Application> {
	// Loaded while the database starts.
	const schemas = Promise.all(settings.services.map(loadSchema));
	schemas.catch(() => {}); // its rejection has no listener while the process opens
	// Signals are the business of whoever starts it.
	const broker = new ServiceBroker({
		...(await config.call(undefined, settings, options)),
		skipProcessEventRegistration: true,
	});
	const process = processOf(broker);
	const { platform, leave, stop } = process;
	try {
		for (const schema of await schemas) broker.createService(schema);
		await Promise.race([abortable(broker.start(), options.signal), process.unfit]);
	} catch (error) {
		await stop();
		throw error;
	}
	const ready = process.ready.catch(async (error) => {
		await stop();
		throw error;
	});
	ready.catch(() => {}); // its rejection may have no listener
	return {
		...{ broker, platform, ready, leave, stop },
		get url() {
			return Array.from(platform.entrances, ({ url }) => url)[0];
		},
	};
}

/** As Moleculer's own runner does it. */
async function loadSchema(name: string): Promise<ServiceSchema> {
	return (await import(new URL(`../services/${name}.service.ts`, import.meta.url).href)).default;
}
