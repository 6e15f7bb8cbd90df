import type { Duration } from '../../../domain/time.ts';
import { errorMessage } from '../../runtime/index.ts';
import { type Delivery, nextTry } from '../carrier.ts';
import { decode, encode, FIELD, type StoredMessage } from './message.ts';

/** What Redis answers for a stream's entry; without its fields if somebody deleted it while it was in hand. */
export type RawEntry = readonly [id: string, fields: readonly string[] | null];

/** An entry with its message. */
export interface Entry {
	readonly id: string;
	readonly message: StoredMessage;
}

/** An entry whose message is to come again or, with a delay below 0, is set aside. */
export interface SetBack {
	readonly id: string;
	readonly delay: Duration;
	readonly message: string;
	readonly error: string;
	/** its name for the operator */
	readonly what: string;
}

/** Errors are for reading: what is longer is cut. */
const LONGEST_ERROR = 2_000;

/** Parses what came for a group; what is no message for it is set aside. */
export function understand(
	raw: readonly RawEntry[],
	group: string,
	types: readonly string[],
): { readonly entries: Entry[]; readonly back: SetBack[] } {
	const entries: Entry[] = [];
	const back: SetBack[] = [];
	for (const [id, fields] of raw) {
		if (fields === null) continue;
		const text = messageOf(fields) ?? JSON.stringify(fields);
		try {
			const message = decode(text);
			if (!types.includes(message.type)) throw new Error(`${group} does not take the type ${message.type}`);
			entries.push({ id, message });
		} catch (reason) {
			const error = `not understood: ${errorMessage(reason)}`.slice(0, LONGEST_ERROR);
			back.push({ id, delay: -1, message: text, error, what: `entry ${id}` });
		}
	}
	return { entries, back };
}

/** What becomes of an entry whose message was handled: nothing if that went well. */
export function judge({ id, message }: Entry, error: string | undefined): SetBack[] {
	if (error === undefined) return [];
	const attempts = message.attempts + 1;
	return [
		{
			id,
			delay: nextTry(attempts) ?? -1,
			message: encode({ ...message, attempts }),
			error: error.slice(0, LONGEST_ERROR),
			what: `${message.type} ${message.id}`,
		},
	];
}

export const toDelivery = ({ id, type, key, body, deliverAt, attempts }: StoredMessage): Delivery => ({
	id,
	type,
	key,
	body,
	deliverAt,
	attempt: attempts + 1,
});

function messageOf(fields: readonly string[]): string | undefined {
	const place = fields.findIndex((name, index) => index % 2 === 0 && name === FIELD);
	return place < 0 ? undefined : fields[place + 1];
}
