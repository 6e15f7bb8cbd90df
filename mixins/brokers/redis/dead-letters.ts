import type { DeadLetter } from '../carrier.ts';
import type { Keys } from './keys.ts';
import type { Link } from './link.ts';
import { REPLAY } from './lua.ts';
import { decode, encode, FIELD, type StoredMessage } from './message.ts';

/** How many are looked through, or delivered again, in one step. */
const PAGE = 200;

/** A dead letter as it lies in its stream. */
interface Entry {
	readonly id: string;
	readonly consumer: string;
	readonly error: string;
	readonly text: string;
	/** undefined for what could not be parsed */
	readonly message: StoredMessage | undefined;
}

/** The dead letters, the newest first. */
export async function listDeadLetters(
	link: Link,
	{ deadLetters }: Keys,
	limit: number,
): Promise<readonly DeadLetter[]> {
	const entries = await link.run((client) => client.xrevrange(deadLetters, '+', '-', 'COUNT', limit));
	return entries.map(toEntry).map(toDeadLetter);
}

/** Delivers dead letters again, all that there are now or those with these ids; answers how many. */
export async function replayDeadLetters(link: Link, keys: Keys, ids?: readonly string[]): Promise<number> {
	if (ids?.length === 0) return 0;
	const wanted = ids === undefined ? undefined : new Set(ids);
	const streams = new Map(keys.groups.map(({ group, stream }) => [group, stream]));
	const [newest] = await link.run((client) => client.xrevrange(keys.deadLetters, '+', '-', 'COUNT', 1));
	let replayed = 0;
	for (let from = '-'; newest !== undefined; ) {
		const page = await link.run((client) => client.xrange(keys.deadLetters, from, newest[0], 'COUNT', PAGE));
		const chosen = page.map(toEntry).flatMap((entry) => {
			const stream = streams.get(entry.consumer);
			const meant = wanted === undefined || wanted.has(entry.message?.id ?? entry.id);
			return stream !== undefined && meant ? [{ ...entry, stream }] : [];
		});
		if (chosen.length > 0) {
			const names = [keys.deadLetters, ...chosen.map(({ stream }) => stream)];
			const args = chosen.flatMap((entry) => [entry.id, fresh(entry)]);
			replayed += Number(await link.run((client) => REPLAY.run(client, names, args)));
		}
		const last = page.at(-1);
		if (last === undefined || page.length < PAGE) break;
		from = `(${last[0]}`;
	}
	return replayed;
}

/** Its failures are forgiven. */
const fresh = ({ message, text }: Entry): string =>
	message === undefined ? text : encode({ ...message, attempts: 0 });

function toEntry([id, fields]: [id: string, fields: string[]]): Entry {
	const values = new Map(fields.flatMap((name, index) => (index % 2 === 0 ? [[name, fields[index + 1] ?? '']] : [])));
	const text = values.get(FIELD) ?? '';
	return { id, consumer: values.get('consumer') ?? '', error: values.get('error') ?? '', text, message: parsed(text) };
}

function parsed(text: string): StoredMessage | undefined {
	try {
		return decode(text);
	} catch {
		return undefined;
	}
}

const toDeadLetter = ({ id, consumer, error, text, message }: Entry): DeadLetter => ({
	id: message?.id ?? id,
	consumer,
	type: message?.type ?? '',
	key: message?.key ?? '',
	body: message?.body ?? text,
	attempts: message?.attempts ?? 0,
	error,
	failedAt: Number.parseInt(id, 10), // the time at which Redis added it
});
