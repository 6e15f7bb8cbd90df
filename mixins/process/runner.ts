/** For Moleculer's own runner, which loads services by their paths and reads the environment in its own way. */
import { matchesGlob, normalize, relative } from 'node:path';
import { fail, say } from '../runtime/index.ts';
import { type Environment, SERVICE_NAMES } from '../settings/index.ts';
import type { Process, ProcessOptions } from './process.ts';

/** The parts that are used here. */
export interface Runner {
	/** the paths and patterns of its command line */
	servicePaths: string[];
	readonly flags: { readonly repl?: boolean };
}

const fileOf = (name: string): string => `services/${name}.service.ts`;

/**
 * The environment for the settings. For the runner `SERVICES` means paths, here it means names: if it is set, the
 * runner gets the paths of these services. Otherwise its command line says which services this process runs.
 */
export function environmentUnder(runner: Runner, env: NodeJS.ProcessEnv): Environment {
	const { SERVICES: names } = env;
	if (names) {
		runner.servicePaths = names.split(',').map((name) => fileOf(name.trim()));
		delete env.SERVICES;
		return { ...env, SERVICES: names };
	}
	if (runner.servicePaths.length === 0) runner.servicePaths = [fileOf('*')];
	const services = SERVICE_NAMES.filter((name) => isLoaded(fileOf(name), runner.servicePaths));
	return { ...env, SERVICES: services.join() };
}

/** Files and globs as the runner reads them; `!` excludes. In folders it finds no `.ts` files. */
function isLoaded(file: string, patterns: readonly string[]): boolean {
	return patterns.reduce((is, pattern) => {
		const skips = pattern.startsWith('!');
		const path = relative('', normalize(skips ? pattern.slice(1) : pattern));
		const isMeant = matchesGlob(file, path);
		return skips ? is && !isMeant : is || isMeant;
	}, false);
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** Opens a process for the runner. Once it is open the broker ends it; a signal that comes before ends it here. */
export async function underRunner(open: (options: ProcessOptions) => Promise<Process>): Promise<Process> {
	const giveUp = new AbortController();
	const stop = (): void => giveUp.abort();
	for (const signal of SIGNALS) process.once(signal, stop);
	const onProbe = (url: string): void => say(`Health and metrics at ${url}`);
	const opened = await open({ signal: giveUp.signal, onLost: fail, onProbe }).catch((error: unknown) => {
		if (giveUp.signal.aborted) process.exit(0);
		fail(error);
	});
	for (const signal of SIGNALS) process.off(signal, stop);
	opened.ready.then(
		() => say(opened.greeting),
		async (error: unknown) => {
			if (opened.isStopping) return;
			await opened.stop();
			fail(error);
		},
	);
	return opened;
}
