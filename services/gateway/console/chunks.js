/**
 * Ids in falling order, in pieces. A list of ten thousand rows draws only the pieces that are in sight, and a change is a
 * new drawing of its piece alone.
 */

const SIZE = 25;

/**
 * @typedef {object} Chunk
 * @property {number} key for ever the same
 * @property {string[]} ids
 */

export class Chunks {
	/** @type {Chunk[]} */
	list = [];
	size = 0;
	#keys = 0;

	/** The piece that the id belongs to; undefined while it is in none. @param {string} id */
	find(id) {
		const chunk = this.list[this.#placeOf(id)];
		return chunk?.ids.includes(id) ? chunk : undefined;
	}

	/** The last id; undefined if there is none. */
	get last() {
		return this.list.at(-1)?.ids.at(-1);
	}

	/**
	 * Puts an id at its place. Returns the piece that has changed, or undefined if the id was there; `isNew`: there is
	 * another piece than before.
	 * @param {string} id
	 * @returns {{ chunk: Chunk, isNew: boolean } | undefined}
	 */
	add(id) {
		const at = this.#placeOf(id);
		const chunk = this.list[at];
		if (chunk?.ids.includes(id)) return undefined;
		this.size += 1;
		if (chunk === undefined) {
			// Newer than all: the first piece grows, or a further one comes before it.
			const first = this.list[0];
			if (first !== undefined && first.ids.length < SIZE) return this.#into(first, id);
			return { chunk: this.#make(0, id), isNew: true };
		}
		const isLast = id < (chunk.ids.at(-1) ?? '');
		if (isLast && chunk.ids.length >= SIZE) return { chunk: this.#make(at + 1, id), isNew: true };
		return this.#into(chunk, id);
	}

	/** Takes the last piece away, and returns it. */
	drop() {
		const last = this.list.at(-1);
		this.list = this.list.slice(0, -1);
		this.size -= last?.ids.length ?? 0;
		return last;
	}

	/** @param {Chunk} chunk @param {string} id */
	#into(chunk, id) {
		const at = chunk.ids.findIndex((other) => other < id);
		chunk.ids = at < 0 ? [...chunk.ids, id] : chunk.ids.toSpliced(at, 0, id);
		return { chunk, isNew: false };
	}

	/** @param {number} at @param {string} id */
	#make(at, id) {
		const chunk = { key: this.#keys++, ids: [id] };
		this.list = this.list.toSpliced(at, 0, chunk);
		return chunk;
	}

	/** The place of the last piece whose first id is not older; -1 if there is none. @param {string} id */
	#placeOf(id) {
		let [low, high] = [0, this.list.length];
		while (low < high) {
			const middle = (low + high) >> 1;
			if ((this.list[middle]?.ids[0] ?? '') >= id) low = middle + 1;
			else high = middle;
		}
		return low - 1;
	}
}
