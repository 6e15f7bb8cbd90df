import { type Duration, SECOND } from '../domain/time.ts';

export interface Finding {
	readonly name: string;
	readonly reason: string;
}

/** A part of the process that can be asked whether it does its work; undefined if it does. */
export type Check = () => Promise<string | undefined> | string | undefined;

/** A loop that has not ended a step for so long is stuck. */
export const LONGEST_SILENCE: Duration = 20 * SECOND;

/** What this process needs to do its work. */
export class Health {
	readonly #checks = new Map<string, Check>();

	register(name: string, check: Check): void {
		this.#checks.set(name, check);
	}

	remove(name: string): void {
		this.#checks.delete(name);
	}

	/** Registers something that beats, such as a loop. */
	watch(name: string, beating: { readonly sinceLastBeat: Duration }): void {
		this.register(name, () =>
			beating.sinceLastBeat > LONGEST_SILENCE
				? `no sign of life for ${Math.round(beating.sinceLastBeat / SECOND)} s`
				: undefined,
		);
	}

	/** Everything that is not ready now. */
	async failing(): Promise<readonly Finding[]> {
		const findings = await Promise.all(
			[...this.#checks].map(async ([name, check]): Promise<Finding[]> => {
				const reason = await check();
				return reason === undefined ? [] : [{ name, reason }];
			}),
		);
		return findings.flat();
	}
}
