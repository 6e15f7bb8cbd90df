/** Who moves the money in a run, if that is not the sandbox with its tables. */
import type { Evidence } from './evidence.ts';
import type { LoadOptions } from './load.ts';
import type { Environment, Exit } from './process.ts';

export interface Bank {
	/** what the processes are started with */
	readonly env: Environment;
	readonly load: Partial<LoadOptions>;
	/** each line that a process prints, or answers to those who must learn no secret */
	readonly hear: (line: string) => void;
	/** The system is about to start; `url` says where it listens at the moment. */
	opens(url: () => string | undefined): void;
	/** Every order has ended: the faults end too, and what an operator would do is done. `run` runs a program of `bin`. */
	settle(run: (entry: string, ...args: string[]) => Promise<Exit>): Promise<void>;
	/** What the provider says that it did. */
	evidence(): Pick<Evidence, 'operations'>;
	/** What is wrong in the end; empty when all is well. */
	complaints(evidence: Evidence): string[];
}

export const totalOf = (orders: number): { total?: number } => (orders > 0 ? { total: orders } : {});
