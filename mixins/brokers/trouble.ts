import { discreet } from '../runtime/index.ts';

const UNTRUSTED = /SELF.SIGNED|UNABLE_TO|CERT_|ERR_TLS|certificate/i;
/** amqplib's error for a 530; it drops the server's words. */
const NO_VIRTUAL_HOST = /Expected ConnectionOpenOk; got <ConnectionClose/;
/** RabbitMQ, Redis (also from within a script), Kafka. */
const MISSING_RIGHT =
	/access to .+ refused|NOPERM|can't (?:run this command|access at least one)|ACL failure|(?:topic|group|cluster|id)[ _]authorization[ _]failed/i;
const REFUSED_LOGIN = /ACCESS.REFUSED|NOAUTH|WRONGPASS|invalid (?:username-)?password|SASL|authenticat/i;
/** Redis, RabbitMQ, Kafka. */
const STORES_NOTHING =
	/\b(?:OOM|MISCONF|NOREPLICAS|READONLY|BUSY) |RabbitMQ could not store|NOT_ENOUGH_REPLICAS|STORAGE_ERROR|TOO_LARGE|POLICY_VIOLATION/;

/** What errors of the clients have beside their message. */
interface Details {
	readonly code?: unknown;
	/** kafkajs: Kafka's name for the error */
	readonly type?: unknown;
	/** the same from the client of Moleculer's transporter */
	readonly apiId?: unknown;
}

/** Some clients wrap what went wrong, more than once. */
function* causes(error: unknown): Generator<Error & Details> {
	if (!(error instanceof Error)) return;
	yield error;
	const errors: unknown = 'errors' in error ? error.errors : undefined;
	if (Array.isArray(errors)) for (const inner of errors) yield* causes(inner);
	if (error.cause !== error) yield* causes(error.cause);
}

/** All that a broker's client knows of one error. */
const textOf = ({ code, type, apiId, message }: Error & Details): string =>
	[type, apiId, code, message].filter((part) => typeof part === 'string').join(' ');

/** The server's own words, without the name of a user, a script's hash, or what the client has put around them. */
function wordsOf({ type, apiId, message }: Error & Details): string {
	const said = /with message "(.*)"/s.exec(message)?.[1] ?? message;
	const words = said
		.replace(/ for user '[^']*'/g, '')
		.replace(/\bUser \S+ has/, 'this user has')
		.replace(/,? (?:error in )?script: [\da-f]{40}.*/s, '');
	// kafkajs tells the name of some errors in words alone.
	const named = /\b(?:topic|group|cluster|transactional id) authorization failed/i.exec(words)?.[0];
	const name = [type, apiId, named?.toUpperCase().replaceAll(' ', '_')].find((part) => /^[A-Z_]+$/.test(String(part)));
	return discreet(name === undefined || words.includes(String(name)) ? words : `${name} ${words}`);
}

/**
 * What a broker that was reached will not do, and why, in one sentence with its own words; it names no host and no
 * login. Undefined where the error is another one.
 */
export function brokerRefusal(error: unknown): string | undefined {
	for (const cause of causes(error)) {
		const text = textOf(cause);
		if (UNTRUSTED.test(text)) return undefined;
		if (NO_VIRTUAL_HOST.test(text))
			return 'a right is missing on the broker: NOT_ALLOWED - there is no such virtual host, or access to it is refused';
		if (MISSING_RIGHT.test(text)) return `a right is missing on the broker: ${wordsOf(cause)}`;
		if (STORES_NOTHING.test(text)) return `the broker takes no messages: ${wordsOf(cause)}`;
	}
	return undefined;
}

/** Why a broker cannot be used, as one sentence that names no host and no login. */
export function brokerTrouble(error: unknown): string {
	const texts = [...causes(error)].map(textOf);
	if (texts.some((text) => UNTRUSTED.test(text))) return 'the certificate of the broker is not trusted';
	const refusal = brokerRefusal(error);
	if (refusal !== undefined) return refusal;
	if (texts.some((text) => REFUSED_LOGIN.test(text))) return 'the broker refuses the login';
	return 'the broker cannot be reached';
}

/** The innermost reason as one line, for the log. */
export function brokerReason(error: unknown): string {
	const { code, message } = [...causes(error)].at(-1) ?? { code: undefined, message: String(error) };
	return (message || String(code ?? 'no reason given')).replace(/\s+/g, ' ');
}
