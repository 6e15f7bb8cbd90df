import { performance } from 'node:perf_hooks';
import type { ProviderOperation } from '../../domain/provider.ts';
import type { Platform } from '../platform.ts';

/** What is asked of whom. */
type Operation = ProviderOperation | 'find' | 'hand_over';

/** One call that leaves the process, measured. A throw means that nobody knows what became of it. */
export async function outside<T extends { readonly kind: string }>(
	{ metrics }: Pick<Platform, 'metrics'>,
	operation: Operation,
	call: () => Promise<T>,
): Promise<T> {
	const began = performance.now();
	let outcome = 'unknown';
	try {
		const answer = await call();
		outcome = answer.kind;
		return answer;
	} finally {
		metrics.providerCalled(operation, outcome, performance.now() - began);
	}
}
