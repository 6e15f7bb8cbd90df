import { Buffer } from 'node:buffer';
import { type CarrierMessage, type Failure, LONGEST_BODY } from './carrier.ts';

/** Why a broker can never take a message; undefined if it can. */
export type Refuse = (message: CarrierMessage) => string | undefined;

export interface Publishable {
	readonly messages: readonly CarrierMessage[];
	/** the others, which no broker takes */
	readonly failures: readonly Failure[];
}

/**
 * Separates messages that can never be published: an unknown type, a body that is too long, or what this broker refuses
 * besides.
 */
export function publishable(
	messages: readonly CarrierMessage[],
	types: ReadonlySet<string>,
	refuse: Refuse = () => undefined,
): Publishable {
	const good: CarrierMessage[] = [];
	const failures: Failure[] = [];
	for (const message of messages) {
		const error = refusal(message, types) ?? refuse(message);
		if (error === undefined) good.push(message);
		else failures.push({ id: message.id, error });
	}
	return { messages: good, failures };
}

function refusal({ type, body }: CarrierMessage, types: ReadonlySet<string>): string | undefined {
	if (!types.has(type)) return `unroutable: nobody knows the type ${type}`;
	const size = Buffer.byteLength(body);
	return size > LONGEST_BODY ? `too large: ${size} bytes, at most ${LONGEST_BODY}` : undefined;
}
