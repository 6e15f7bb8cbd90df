import { Buffer } from 'node:buffer';
import { isUuid } from '../../mixins/runtime/index.ts';

/** A cursor is opaque to clients: the id of the last order of the page before. */
export const cursorOfId = (id: string): string => Buffer.from(id).toString('base64url');

export function idOfCursor(cursor: string): string | undefined {
	const id = Buffer.from(cursor, 'base64url').toString('latin1');
	return isUuid(id) && cursorOfId(id) === cursor ? id : undefined;
}

/** The same for a history, whose pages go by the events' sequence. */
export const cursorOfSequence = (sequence: number): string => Buffer.from(String(sequence)).toString('base64url');

export function sequenceOfCursor(cursor: string): number | undefined {
	const text = Buffer.from(cursor, 'base64url').toString('latin1');
	if (!/^[1-9]\d{0,8}$/.test(text)) return undefined;
	const sequence = Number(text);
	return cursorOfSequence(sequence) === cursor ? sequence : undefined;
}
