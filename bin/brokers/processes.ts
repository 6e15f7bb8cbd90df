/** Processes of this machine, looked at from outside, through Linux's `/proc`. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

interface Status {
	readonly state: string;
	readonly parent: number;
}

function statusOf(pid: number): Status | undefined {
	// `pid (name) state parent …`; the name may hold anything, also brackets.
	const text = attempt(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
	const [state = '', parent = ''] = text?.slice(text.lastIndexOf(')') + 2).split(' ') ?? [];
	return text === undefined ? undefined : { state, parent: Number(parent) };
}

/** Whether a process lives; one that ended and was not collected yet does not. */
export function isAlive(pid: number): boolean {
	const state = statusOf(pid)?.state;
	if (state === undefined || state === 'X') return false;
	// The first thread of a killed process may be gone while another still holds its port and its files.
	return state !== 'Z' || (attempt(() => readdirSync(`/proc/${pid}/task`)) ?? []).length > 1;
}

/** Whether a process works in a folder: a process id alone may be another's by now. */
export const worksIn = (pid: number, folder: string): boolean =>
	attempt(() => readlinkSync(`/proc/${pid}/cwd`)) === folder;

/** All that a process started and that those started, as long as their parents live. */
export function familyOf(ancestor: number): number[] {
	const parents = readdirSync('/proc').flatMap((name) => {
		const status = /^\d+$/.test(name) ? statusOf(Number(name)) : undefined;
		return status === undefined ? [] : [{ pid: Number(name), parent: status.parent }];
	});
	const family = [ancestor];
	for (const member of family) family.push(...parents.flatMap(({ pid, parent }) => (parent === member ? [pid] : [])));
	return family.slice(1);
}

/** Sends a signal to a process; one that is gone already is all right. */
export function signalTo(pid: number, signal: NodeJS.Signals): void {
	try {
		process.kill(pid, signal);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
	}
}

function attempt<T>(action: () => T): T | undefined {
	try {
		return action();
	} catch {
		return undefined;
	}
}
