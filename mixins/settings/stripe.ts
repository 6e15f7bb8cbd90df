/** How Stripe is reached (`STRIPE_…`). */
import {
	type Environment,
	get,
	type ReadFile,
	readSecret,
	readWholeNumber,
	refused,
	SettingsError,
	show,
} from './reading.ts';

/** `STRIPE_API_BASE`, understood: Stripe's own library takes no path. */
export interface StripeBase {
	readonly protocol: 'http' | 'https';
	readonly host: string;
	readonly port: number;
}

export interface StripeSettings {
	/** `STRIPE_API_KEY`; undefined where this process makes no calls. A secret. */
	readonly apiKey: string | undefined;
	/** whether the key moves real money; undefined without a key */
	readonly isLive: boolean | undefined;
	/** `STRIPE_API_BASE`: where a stand-in answers; undefined for Stripe itself */
	readonly apiBase: StripeBase | undefined;
	/** `STRIPE_WEBHOOK_SECRET`: what webhooks may be signed with. Secrets. */
	readonly webhookSecrets: readonly string[];
	/** `STRIPE_CALLS_PER_SECOND`: the most calls of one operation that this process makes in a second */
	readonly callsPerSecond: number;
}

const KEY = {
	parse: (text: string) => (/^(?:sk|rk)_(?:test|live)_\w{1,250}$/.test(text.trim()) ? text.trim() : undefined),
	accepted: 'an API key of Stripe for servers, sk_test_…, sk_live_…, rk_test_… or rk_live_…',
};

const WEBHOOK_SECRETS = {
	parse: (text: string) => {
		const secrets = text.split(',').map((part) => part.trim());
		return secrets.every((secret) => /^whsec_[!-~]{1,250}$/.test(secret)) ? secrets : undefined;
	},
	accepted: 'a comma list of signing secrets, whsec_…',
};

const BASE = 'http://… or https://… with a host and perhaps a port, without path, user and query';

/** Throws a `SettingsError` for what is not understood, and for a live key whose calls would go to somebody else. */
export function readStripe(env: Environment, readFile: ReadFile): StripeSettings {
	const apiKey = readSecret(env, 'STRIPE_API_KEY', KEY, readFile);
	const isLive = apiKey?.includes('_live_');
	const base = get(env, 'STRIPE_API_BASE');
	if (base !== undefined && isLive === true) {
		throw new SettingsError(
			`STRIPE_API_BASE=${show(base)} is set with a live key, which no stand-in may see; accepted: with it a test key`,
		);
	}
	return {
		...{ apiKey, isLive, apiBase: base === undefined ? undefined : parseBase(base) },
		webhookSecrets: readSecret(env, 'STRIPE_WEBHOOK_SECRET', WEBHOOK_SECRETS, readFile) ?? [],
		callsPerSecond: readWholeNumber(env, 'STRIPE_CALLS_PER_SECOND', 20, { min: 1, max: 1_000 }),
	};
}

function parseBase(text: string): StripeBase {
	const url = /^https?:\/\/[^\s/?#@\\]+\/?$/.test(text) ? URL.parse(text) : null;
	if (url === null || url.port === '0') throw refused('STRIPE_API_BASE', show(text), BASE);
	const protocol = url.protocol === 'http:' ? 'http' : 'https';
	return { protocol, host: url.hostname, port: Number(url.port || (protocol === 'http' ? 80 : 443)) };
}
