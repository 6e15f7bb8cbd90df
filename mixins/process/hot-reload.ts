/** `--hot` of Moleculer's runner, whose own way in 0.15 knows no ES modules. */
import { type FSWatcher, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Middleware, Service, ServiceBroker } from 'moleculer';
import type { Duration } from '../../domain/time.ts';
import { errorMessage, type Log } from '../runtime/index.ts';

/** Editors write in several steps. */
const SETTLE: Duration = 200;

interface Loaded extends Service {
	/** set by the runner */
	__filename?: string;
}

/** Makes a service anew when its own file has changed; what the file imports stays as it is. */
export function hotReload(log: Log): Middleware {
	const watchers: FSWatcher[] = [];

	async function reload(broker: ServiceBroker, file: string): Promise<void> {
		const { default: schema } = await import(`${pathToFileURL(file).href}?changed=${Date.now()}`);
		const old = broker.services.find((service: Loaded) => service.__filename === file);
		if (old !== undefined) await broker.destroyService(old);
		Object.assign(broker.createService(schema), { __filename: file });
		log.info(`reloaded ${file}`);
	}

	function follow(broker: ServiceBroker, file: string): void {
		let timer: NodeJS.Timeout | undefined;
		const changed = (): void => {
			clearTimeout(timer);
			timer = setTimeout(() => {
				reload(broker, file).catch((error) => log.error(`${file} cannot be loaded: ${errorMessage(error)}`, error));
			}, SETTLE);
		};
		// Of the folder: many editors put a new file in the place of the old one.
		const isIt = (_event: string, name: string | null): void => void (name === basename(file) && changed());
		watchers.push(watch(dirname(file), { persistent: false }, isIt));
	}

	return {
		name: 'HotReload',
		started: async (broker: ServiceBroker) => {
			if (broker.options.hotReload !== true) return;
			for (const { __filename: file } of broker.services as Loaded[]) if (file !== undefined) follow(broker, file);
		},
		stopping: async () => {
			for (const watcher of watchers) watcher.close();
		},
	};
}
