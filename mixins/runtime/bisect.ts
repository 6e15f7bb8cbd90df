/**
 * How many parts a failed group is split into. More parts make fewer steps; each step may take as long as a time-out.
 */
const PARTS = 8;

/**
 * Handles a group; where that fails, handles its parts, and so on, until the failing item stands alone and is given to
 * `setAside`. The others are handled. A transient error (`isTransient`) is thrown on.
 */
export async function bisect<T>(
	items: readonly T[],
	handle: (group: readonly T[]) => Promise<void>,
	setAside: (item: T, error: unknown) => void,
	isTransient: (error: unknown) => boolean,
): Promise<void> {
	const [first] = items;
	if (first === undefined) return;
	try {
		await handle(items);
	} catch (error) {
		if (isTransient(error)) throw error;
		if (items.length === 1) {
			setAside(first, error);
			return;
		}
		const size = Math.ceil(items.length / PARTS);
		for (let from = 0; from < items.length; from += size)
			await bisect(items.slice(from, from + size), handle, setAside, isTransient);
	}
}
