import { performance } from 'node:perf_hooks';
import type { Finding, ProviderOutcome } from '../../domain/provider.ts';
import { type Duration, SECOND } from '../../domain/time.ts';
import type { Platform } from '../../mixins/platform.ts';
import type { Log } from '../../mixins/runtime/index.ts';

/** While the provider refuses us, one call goes through in so long. */
const PROBE_EVERY: Duration = SECOND;

const gates = new WeakMap<Platform, ProviderGate>();

/** That of a process. */
export function providerGateOf(platform: Platform): ProviderGate {
	const known = gates.get(platform) ?? new ProviderGate(platform);
	gates.set(platform, known);
	return known;
}

/**
 * Whether the provider talks to us. One that refuses us (a key that was revoked, the wrong mode, a request that it cannot
 * read) has said nothing of any order. So calls wait, but for one a second, until it says anything else.
 */
export class ProviderGate {
	readonly #log: Log;
	/** why it refuses us; undefined while it does not */
	#refusal: string | undefined;
	#lastProbe = Number.NEGATIVE_INFINITY;

	constructor({ health, log, metrics }: Pick<Platform, 'health' | 'log' | 'metrics'>) {
		this.#log = log('settlement');
		health.register('payment provider', () => this.#refusal && `it refuses us: ${this.#refusal}`, 'note');
		metrics.read(
			{ provider_refuses_us: '1 while the payment provider refuses our credentials or requests; calls to it wait.' },
			() => ({ provider_refuses_us: this.#refusal === undefined ? 0 : 1 }),
		);
	}

	/** True if a call may begin now. While the provider refuses us, the caller's is the probe of this second. */
	opens(): boolean {
		if (this.#refusal === undefined) return true;
		const now = performance.now();
		if (now - this.#lastProbe < PROBE_EVERY) return false;
		this.#lastProbe = now;
		return true;
	}

	/** Takes note of what the provider said, and returns it. That nobody knows what became of a call says nothing. */
	heard<T extends ProviderOutcome | Finding>(said: T): T {
		this.#note(said);
		return said;
	}

	#note(said: ProviderOutcome | Finding): void {
		if (said.kind === 'unknown') return;
		if (said.kind === 'refusesUs') {
			if (this.#refusal === undefined) this.#log.error(`the payment provider refuses us: ${said.reason}; calls wait`);
			this.#refusal = said.reason;
			this.#lastProbe = performance.now();
		} else if (this.#refusal !== undefined) {
			this.#refusal = undefined;
			this.#log.info('the payment provider talks to us again; calls go on');
		}
	}
}
