import { parseSettings } from '../mixins/settings.ts';
import { startApplication } from '../moleculer.config.ts';

/** A stop that takes longer is cut short; what was in hand is taken up again by the next start. */
const LONGEST_STOP = 9_000;

const say = (line: string): void => {
	process.stdout.write(`${line}\n`);
};

function fail(error: unknown): never {
	process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
	process.exit(1);
}

try {
	const settings = parseSettings(process.env);
	let stopping = false;
	const starting = startApplication(settings, () => fail(new Error(`another process has taken ${settings.dataDir}`)));
	const stop = async (): Promise<void> => {
		if (stopping) return;
		stopping = true;
		setTimeout(() => process.exit(0), LONGEST_STOP).unref();
		// A start that is under way is ended when it is through: nothing is left half-made.
		const application = await starting.catch(fail);
		await application.stop();
		process.exit(0);
	};
	for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void stop());
	const { ready, url } = await starting;
	await ready;
	if (!stopping) {
		const what = url === undefined ? `runs ${settings.services.join(', ')}` : `listens on ${url}`;
		say(`Protected Payment ${what}; payment provider: ${settings.paymentProvider}`);
	}
} catch (error) {
	fail(error);
}
