import type { Entry } from './entry.ts';
import type { Listener } from './listener.ts';

/** Sends entries to all these listeners. What is the same for many is made once and shared, also while it waits. */
export function deliver(entries: readonly Entry[], listeners: Iterable<Listener>): void {
	if (entries.length === 0) return;
	const made = new Map<string, Buffer>();
	for (const listener of listeners) {
		const { ahead, viewer } = listener;
		const known = ahead === undefined ? made.get(viewer.key) : undefined;
		const chunk = known ?? chunkFor(entries, listener);
		if (ahead === undefined) made.set(viewer.key, chunk);
		if (chunk.length > 0) listener.write(chunk);
	}
}

function chunkFor(entries: readonly Entry[], { viewer, ahead }: Listener): Buffer {
	let told = ahead;
	let text = '';
	for (const entry of entries) {
		text += entry.textFor(viewer, told) ?? '';
		told = told?.with(entry.position);
	}
	return Buffer.from(text);
}
