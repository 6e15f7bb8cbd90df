/** Whether the tests of a broker run here: they do where it is installed, and must where `REQUIRE_BROKERS` names it. */
import { describe, it } from '@jest/globals';
import type { BrokerKind } from '../../bin/brokers/local-broker.ts';

type Scheme = BrokerKind['scheme'];

const SCHEMES: readonly string[] = ['amqp', 'kafka', 'redis'] satisfies Scheme[];

/** The brokers that a run may not skip. Throws where the list names what is no broker: the run would test nothing. */
export function requiredBrokers(list: string | undefined = process.env.REQUIRE_BROKERS): ReadonlySet<string> {
	const names = (list ?? '').split(',').flatMap((name) => name.trim() || []);
	const unknown = names.find((name) => !SCHEMES.includes(name));
	if (unknown !== undefined) throw new Error(`REQUIRE_BROKERS=${list}: ${unknown} is none of ${SCHEMES.join(', ')}`);
	return new Set(names);
}

/**
 * `describe` for tests that need a broker on this machine. Where it is not installed, they are skipped and the name
 * says so; where it is required as well, one test fails instead. To be awaited at the top level of the test file:
 *
 *     await describeBroker(redis, 'the carrier on Redis', () => { … });
 */
export async function describeBroker(kind: BrokerKind, name: string, body: () => void): Promise<void> {
	const required = requiredBrokers();
	if (await kind.installed()) {
		describe(name, body);
		return;
	}
	const missing = `${kind.scheme} is not installed: npm run brokers -- install ${kind.scheme}`;
	if (required.has(kind.scheme)) {
		describe(name, () => {
			it('needs its broker, since REQUIRE_BROKERS names it', () => {
				throw new Error(missing);
			});
		});
		return;
	}
	// `npm test` promises to run with any of the brokers or none, and to name what it left out; `.ci/run` requires them all.
	describe.skip(`${name} (skipped: ${missing})`, body);
}
