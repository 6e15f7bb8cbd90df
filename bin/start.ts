import { endOnUncaught } from '../mixins/errors.ts';
import { parseSettings } from '../mixins/settings.ts';
import { logsOf, startApplication } from '../moleculer.config.ts';

/** A stop that takes longer is cut short; what was in hand is taken up again by the next start. */
const LONGEST_STOP = 9_000;

const say = (line: string): void => {
	process.stdout.write(`${line}\n`);
};

function fail(error: unknown): never {
	process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
	process.exit(1);
}

const giveUp = new AbortController();
let stopping = false;

try {
	const settings = parseSettings(process.env);
	endOnUncaught(logsOf(settings)('process'));
	const starting = startApplication(settings, {
		signal: giveUp.signal,
		onLost: (what) => fail(new Error(`another process has taken ${what}`)),
		onProbe: (url) => say(`Health and metrics at ${url}`),
	});
	const stop = async (): Promise<void> => {
		if (stopping) return;
		stopping = true;
		setTimeout(() => process.exit(0), LONGEST_STOP).unref();
		giveUp.abort();
		// A start that does not wait for others is ended when it is through: nothing is left half-made.
		const application = await starting;
		await application.stop();
		process.exit(0);
	};
	for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void stop().catch(end));
	const { ready, url, broker } = await starting;
	await ready;
	if (!stopping) {
		const what = url === undefined ? `runs ${settings.services.join(', ')}` : `listens on ${url}`;
		const node = settings.broker === undefined ? '' : ` node ${broker.nodeID};`;
		say(`Protected Payment ${what};${node} payment provider: ${settings.paymentProvider}`);
	}
} catch (error) {
	end(error);
}

/** A start that was given up is a stop. */
function end(error: unknown): never {
	if (giveUp.signal.aborted && error === giveUp.signal.reason) process.exit(0);
	fail(error);
}
