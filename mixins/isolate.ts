/**
 * Handles a group; where that fails, handles its halves, and so on, until what fails stands alone and is given to
 * `setAside`. The others are handled all the same. An error that is nobody's fault (`isTransient`) is thrown on.
 */
export async function isolate<T>(
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
		const middle = Math.ceil(items.length / 2);
		await isolate(items.slice(0, middle), handle, setAside, isTransient);
		await isolate(items.slice(middle), handle, setAside, isTransient);
	}
}
