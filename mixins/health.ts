import { type Duration, SECOND } from '../domain/time.ts';

export interface Finding {
	readonly name: string;
	readonly reason: string;
}

/** What is asked of a process before it gets work. */
export interface Readiness {
	readonly ready: boolean;
	/** what keeps it from its work */
	readonly failing: readonly Finding[];
	/** what is missing though it goes on */
	readonly degraded: readonly Finding[];
}

/** A part of the process that can be asked whether it does its work; undefined if it does. */
export type Check = () => Promise<string | undefined> | string | undefined;

/** `broker`: what stands still while the broker is away; all else the process needs itself. */
export type Kind = 'own' | 'broker';

/** A loop that has not ended a step for so long is stuck. */
export const LONGEST_SILENCE: Duration = 20 * SECOND;

export interface HealthOptions {
	/** the process is of use without its broker too: orders are accepted, and carried later */
	readonly goesOnWithoutBroker?: boolean;
}

/** What this process needs to do its work. */
export class Health {
	readonly #goesOnWithoutBroker: boolean;
	readonly #checks = new Map<string, { readonly check: Check; readonly kind: Kind }>();

	constructor({ goesOnWithoutBroker = false }: HealthOptions = {}) {
		this.#goesOnWithoutBroker = goesOnWithoutBroker;
	}

	register(name: string, check: Check, kind: Kind = 'own'): void {
		this.#checks.set(name, { check, kind });
	}

	remove(name: string): void {
		this.#checks.delete(name);
	}

	/** Registers something that beats, such as a loop. */
	watch(name: string, beating: { readonly sinceLastBeat: Duration }, kind: Kind = 'own'): void {
		const check = (): string | undefined =>
			beating.sinceLastBeat > LONGEST_SILENCE
				? `no sign of life for ${Math.round(beating.sinceLastBeat / SECOND)} s`
				: undefined;
		this.register(name, check, kind);
	}

	async readiness(): Promise<Readiness> {
		const findings = await Promise.all(
			[...this.#checks].map(async ([name, { check, kind }]) => ({ name, kind, reason: await check() })),
		);
		const failing: Finding[] = [];
		const degraded: Finding[] = [];
		for (const { name, kind, reason } of findings) {
			if (reason === undefined) continue;
			(kind === 'broker' && this.#goesOnWithoutBroker ? degraded : failing).push({ name, reason });
		}
		return { ready: failing.length === 0, failing, degraded };
	}
}
