import { type Duration, SECOND } from '../../../domain/time.ts';

/** Redis did not answer in time; whether it did what it was asked for is not known. */
export class NoAnswer extends Error {
	constructor(patience: Duration) {
		super(`Redis did not answer within ${patience / SECOND} s`);
	}
}

/** Rejects with `NoAnswer` when an answer takes too long. */
export async function inTime<T>(answer: Promise<T>, patience: Duration): Promise<T> {
	let timer: NodeJS.Timeout | undefined;
	const late = new Promise<never>((_, reject) => {
		timer = setTimeout(() => reject(new NoAnswer(patience)), patience);
	});
	try {
		return await Promise.race([answer, late]);
	} finally {
		clearTimeout(timer);
	}
}
