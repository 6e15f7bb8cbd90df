/** What `work` resolves with; rejects with the signal's reason as soon as that is aborted, and leaves the work alone. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
	if (signal === undefined) return work;
	const { promise, reject } = Promise.withResolvers<never>();
	const abort = (): void => reject(signal.reason);
	if (signal.aborted) abort();
	signal.addEventListener('abort', abort);
	try {
		return await Promise.race([work, promise]);
	} finally {
		signal.removeEventListener('abort', abort);
	}
}
