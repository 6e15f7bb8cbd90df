const REFUSED_LOGIN = /ACCESS.REFUSED|NOAUTH|WRONGPASS|NOPERM|invalid (?:username-)?password|SASL|authenticat/i;
const UNTRUSTED = /SELF.SIGNED|UNABLE_TO|CERT_|ERR_TLS|certificate/i;

/** Some clients wrap what went wrong, more than once. */
function* causes(error: unknown): Generator<Error & { readonly code?: unknown }> {
	if (!(error instanceof Error)) return;
	yield error;
	if (error instanceof AggregateError) for (const inner of error.errors) yield* causes(inner);
	yield* causes(error.cause);
}

/** Why a broker cannot be used, as one sentence that names no host and no login. */
export function brokerTrouble(error: unknown): string {
	const texts = [...causes(error)].map(({ code, message }) => `${code} ${message}`);
	if (texts.some((text) => UNTRUSTED.test(text))) return 'the certificate of the broker is not trusted';
	if (texts.some((text) => REFUSED_LOGIN.test(text))) return 'the broker refuses the login';
	return 'the broker cannot be reached';
}

/** The innermost reason as one line, for the log. */
export function brokerReason(error: unknown): string {
	const { code, message } = [...causes(error)].at(-1) ?? { code: undefined, message: String(error) };
	return (message || String(code ?? 'no reason given')).replace(/\s+/g, ' ');
}
