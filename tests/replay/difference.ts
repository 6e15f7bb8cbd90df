/** The code did something else than the model. */
export class Difference extends Error {
	override readonly name = 'Difference';
}

/** How long the code may take for one step; a machine may be busy. */
const PATIENCE = 30_000;

/** Waits for what the model says must come now. */
export async function within<T>(promise: Promise<T>, what: string): Promise<T> {
	let timer: NodeJS.Timeout | undefined;
	const tooLate = new Promise<never>((_, reject) => {
		timer = setTimeout(() => reject(new Difference(`the model says: ${what}; nothing came of it`)), PATIENCE);
	});
	try {
		return await Promise.race([promise, tooLate]);
	} finally {
		clearTimeout(timer);
	}
}
