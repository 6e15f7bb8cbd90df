import type { Topology } from './carrier.ts';

/**
 * The consumer groups that this process knows: those of the system, which every relay sends to wherever they run, and
 * those that the services of this process declare beside them. The carrier is made once all are known, so that it has a
 * place for each before the first message.
 */
export class Groups {
	readonly #types: readonly string[];
	readonly #wanted: Topology['wanted'];
	readonly #consumers: Map<string, readonly string[]>;

	constructor({ consumers, types, wanted }: Topology) {
		this.#types = types;
		this.#wanted = wanted;
		this.#consumers = new Map(Object.entries(consumers));
	}

	/** Throws if the group is declared with other types elsewhere, or with a type that is never raised. */
	declare(group: string, takes: readonly string[]): void {
		const unknown = takes.filter((type) => !this.#types.includes(type));
		if (unknown.length > 0) throw new Error(`nobody raises ${unknown.join(', ')}, which the group ${group} takes`);
		const known = this.#consumers.get(group);
		if (known !== undefined && known.toSorted().join() !== takes.toSorted().join())
			throw new Error(`the group ${group} takes ${known.join(', ')}, here it is said to take ${takes.join(', ')}`);
		if (known === undefined) this.#consumers.set(group, takes);
	}

	get topology(): Topology {
		const wanted = this.#wanted === undefined ? {} : { wanted: this.#wanted };
		return { consumers: Object.fromEntries(this.#consumers), types: this.#types, ...wanted };
	}
}
