import { type Duration, SECOND } from '../../domain/time.ts';
import { discreet, type Log, tell, WaitLog, withFallback } from '../runtime/index.ts';

export interface Finding {
	readonly name: string;
	readonly reason: string;
}

/** The health checks of a process. */
export interface Readiness {
	readonly ready: boolean;
	/** what is wrong */
	readonly failing: readonly Finding[];
	/** what is missing although the process works */
	readonly degraded: readonly Finding[];
}

/** A part of the process that reports what is wrong with it; undefined if nothing is. */
export type Check = () => Promise<string | undefined> | string | undefined;

/**
 * `broker`: parts that stop while the broker is away; `note`: the process works, but an operator has to know; the process
 * needs all other parts itself.
 */
export type Kind = 'own' | 'broker' | 'note';

/** A loop that has not ended a step for so long is stuck. */
export const LONGEST_SILENCE: Duration = 20 * SECOND;

/** A check that takes longer counts as failed, and does not delay the others. Shorter than probes wait. */
const CHECK_PATIENCE: Duration = 1.5 * SECOND;

export interface HealthOptions {
	/** the process works without its broker too: it accepts orders, and their messages go out later */
	readonly goesOnWithoutBroker?: boolean;
	/** logs checks that throw */
	readonly log?: Log;
}

/** What this process needs to do its work. */
export class Health {
	readonly #goesOnWithoutBroker: boolean;
	readonly #log: Log | undefined;
	readonly #failed: WaitLog | undefined;
	readonly #checks = new Map<string, { readonly check: Check; readonly kind: Kind }>();

	constructor({ goesOnWithoutBroker = false, log }: HealthOptions = {}) {
		this.#goesOnWithoutBroker = goesOnWithoutBroker;
		this.#log = log;
		this.#failed = log && new WaitLog(log);
	}

	register(name: string, check: Check, kind: Kind = 'own'): void {
		this.#checks.set(name, { check, kind });
	}

	/** Registers something that reports its last activity, such as a loop. */
	watch(name: string, beating: { readonly sinceLastBeat: Duration }, kind: Kind = 'own'): void {
		const check = (): string | undefined =>
			beating.sinceLastBeat > LONGEST_SILENCE
				? `no sign of life for ${Math.round(beating.sinceLastBeat / SECOND)} s`
				: undefined;
		this.register(name, check, kind);
	}

	/** Never rejects: a check that throws or hangs is reported as failed. */
	async readiness(): Promise<Readiness> {
		const findings = await Promise.all(
			[...this.#checks].map(async ([name, { check, kind }]) => ({ name, kind, reason: await this.#ask(name, check) })),
		);
		const failing: Finding[] = [];
		const degraded: Finding[] = [];
		for (const { name, kind, reason } of findings) {
			if (reason === undefined) continue;
			const goesOn = kind === 'note' || (kind === 'broker' && this.#goesOnWithoutBroker);
			(goesOn ? degraded : failing).push({ name, reason });
		}
		return { ready: failing.length === 0, failing, degraded };
	}

	async #ask(name: string, check: Check): Promise<string | undefined> {
		const asking = async (): Promise<string | undefined> => check();
		try {
			return await withFallback(asking(), CHECK_PATIENCE, 'the check does not answer');
		} catch (error) {
			const reason = `the check failed: ${discreet(error)}`;
			if (this.#log !== undefined && this.#failed?.isDue(`${name}: ${reason}`))
				tell(this.#log, 'warn', `the health check ${name} failed`, error);
			return reason;
		}
	}
}
