import { setTimeout as sleep } from 'node:timers/promises';
import v8 from 'node:v8';
import { logsOf } from '../mixins/observability/index.ts';
import { processOf, releaseMemoryWhenQuiet } from '../mixins/process/index.ts';
import { endOnUncaught, fail, say, warningsAsLines } from '../mixins/runtime/index.ts';
import { parseSettings } from '../mixins/settings/index.ts';
import { startApplication } from './application.ts';

/** A stop that takes longer is cut short; what was in hand is taken up again by the next start. */
const LONGEST_STOP = 9_000;

/**
 * Once it serves, functions are compiled sooner: at few orders a second most are called too rarely for V8's defaults, and
 * interpreting them costs a fifth more. Before, it would only make the start slower.
 */
const COMPILE_SOONER = ['--invocation-count-for-feedback-allocation=2', '--baseline-batch-compilation-threshold=512'];

function cut(): never {
	fail(`the stop was cut short after ${LONGEST_STOP / 1_000} s; what was in hand is taken up again by the next start`);
}

// Whoever reads may go before us: a terminal that closes, a pipe.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

const giveUp = new AbortController();
const hurry = new AbortController();
let stopping = false;
let serves = false;

try {
	const settings = parseSettings(process.env);
	warningsAsLines();
	endOnUncaught(logsOf(settings)('process'));
	const starting = startApplication(settings, {
		signal: giveUp.signal,
		onLost: fail,
		onProbe: (url) => say(`Health and metrics at ${url}`),
	});
	const stop = async (signal: NodeJS.Signals): Promise<void> => {
		// Whoever asks a second time does not want to wait; a terminal that closes does not ask.
		if (stopping && signal !== 'SIGHUP') hurry.abort();
		if (stopping) return;
		stopping = true;
		// Balancers see that it is not ready, and send the next request elsewhere. A person at the keyboard has none.
		if (serves && signal !== 'SIGINT') {
			(await starting).leave();
			await sleep(settings.shutdownDelay, undefined, { signal: hurry.signal }).catch(() => {});
		}
		setTimeout(cut, LONGEST_STOP).unref();
		giveUp.abort();
		const application = await starting;
		await application.stop();
		process.exit(0);
	};
	const stopped = (error: unknown): never => {
		if ((error as Error).name === 'AbortError') process.exit(0);
		fail(error);
	};
	for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop(signal).catch(stopped));
	const application = await starting;
	await application.ready;
	serves = true;
	for (const flag of COMPILE_SOONER) v8.setFlagsFromString(flag);
	releaseMemoryWhenQuiet();
	if (!stopping) {
		say(processOf(application.broker).greeting);
	}
} catch (error) {
	// A start that is given up is a stop, which ends the process.
	if (!stopping) fail(error);
}
