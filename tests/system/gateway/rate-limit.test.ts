/** `RATE_LIMIT` over several gateways: one figure for each client, kept in a real database. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Application } from '../../../bin/application.ts';
import type { RateLimit } from '../../../mixins/settings/access.ts';
import { RateLimiter } from '../../../services/gateway/admission/rate-limiter.ts';
import { startTestApplication } from '../../support/application.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { SECRET, secretToken } from '../../support/issuer.ts';
import { until } from '../../support/until.ts';

let database: TestDatabase;
beforeAll(async () => {
	database = await startTestDatabase();
});
afterAll(() => database.stop());
beforeEach(() => database.reset());

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const limiter = (limit: RateLimit): RateLimiter => new RateLimiter(limit, database.database, database.log);

/** Asks every limiter so often, side by side, and says how many passed and how many could have. */
async function asked(limiters: readonly RateLimiter[], times: number, limit: RateLimit, client = 'alice') {
	const begin = performance.now();
	const waits = await Promise.all(
		Array.from({ length: times }, (_, index) => limiters[index % limiters.length]?.admit(client) ?? 0),
	);
	const passed = waits.filter((wait) => wait === 0).length;
	const forgiven = (limit.requests * (performance.now() - begin)) / limit.per;
	return { passed, forgiven, waits: waits.filter((wait) => wait > 0) };
}

describe('over several gateways', () => {
	it.each([1, 7, 20, 39])('%i an hour are exactly so many, however they come', async (requests) => {
		const limit = { requests, per: HOUR };
		const three = [limiter(limit), limiter(limit), limiter(limit)];
		const { passed, waits } = await asked(three, 120, limit);
		expect(passed).toBe(requests);
		for (const wait of waits) {
			expect(wait).toBeGreaterThan(0);
			// A statement that waited for another counts from its begin.
			expect(wait).toBeLessThanOrEqual(HOUR / requests + 10_000);
		}
		// One after the other it is the same.
		let more = 0;
		for (const one of three) more += (await one.admit('bob')) === 0 ? 1 : 0;
		expect(more).toBe(Math.min(3, requests));
	});

	it('larger limits are as exact as is said', async () => {
		const limit = { requests: 2_000, per: HOUR };
		const gateways = [limiter(limit), limiter(limit), limiter(limit)];
		let passed = 0;
		for (let round = 0; round < 40; round += 1) passed += (await asked(gateways, 120, limit)).passed;
		// A hundredth more at each gateway but the first; what slices lapse unused is a twentieth at most at each.
		expect(passed).toBeLessThanOrEqual(2_000 * 1.02 + 5);
		expect(passed).toBeGreaterThanOrEqual(2_000 * (1 - 3 / 20));
	});

	it('clients are counted apart', async () => {
		const limit = { requests: 5, per: HOUR };
		const two = [limiter(limit), limiter(limit)];
		const names = ['alice', 'Alice', 'alice ', 'a"l{i}c\\e', "'; DROP TABLE rate_limits", 'ализ'];
		const counts = await Promise.all(names.map((name) => asked(two, 20, limit, name)));
		expect(counts.map(({ passed }) => passed)).toEqual(names.map(() => 5));
	});

	it('what is used comes back evenly', async () => {
		const limit = { requests: 20, per: 1_000 };
		const two = [limiter(limit), limiter(limit)];
		const begin = performance.now();
		let passed = 0;
		while (performance.now() - begin < 2_000) passed += (await asked(two, 10, limit)).passed;
		const seconds = (performance.now() - begin) / 1_000;
		expect(passed).toBeLessThanOrEqual(20 * (1 + seconds));
		expect(passed).toBeGreaterThan(20);
	});

	it('who asks now and then costs no statement', async () => {
		let statements = 0;
		const counting = {
			query: <R extends object>(statement: Parameters<typeof database.database.query>[0]): Promise<R[]> => {
				statements += 1;
				return database.database.query<R>(statement);
			},
		};
		const one = new RateLimiter({ requests: 3_000, per: MINUTE }, counting, database.log);
		for (let client = 0; client < 500; client += 1) {
			for (let count = 0; count < 3; count += 1) expect(await one.admit(`client ${client}`)).toBe(0);
		}
		expect(statements).toBe(0);
		// And one who asks often costs far less than a statement for each request.
		for (let count = 0; count < 1_500; count += 1) await one.admit('often');
		expect(statements).toBeGreaterThan(0);
		expect(statements).toBeLessThan(100);
	});

	it('those who ask together share statements', async () => {
		let statements = 0;
		const counting = {
			query: <R extends object>(statement: Parameters<typeof database.database.query>[0]): Promise<R[]> => {
				statements += 1;
				return database.database.query<R>(statement);
			},
		};
		const one = new RateLimiter({ requests: 30, per: MINUTE }, counting, database.log);
		await Promise.all(Array.from({ length: 800 }, (_, client) => one.admit(`client ${client}`)));
		expect(statements).toBeLessThanOrEqual(2);
		const [row] = await database.query<{ n: bigint }>('SELECT count(*) AS n FROM rate_limits');
		expect(row?.n).toBe(800n);
	});

	it('what is forgiven is forgotten', async () => {
		const short = limiter({ requests: 10, per: 1 });
		await Promise.all(Array.from({ length: 50 }, (_, client) => short.admit(`gone ${client}`)));
		await limiter({ requests: 10, per: HOUR }).admit('still there');
		const one = limiter({ requests: 10, per: HOUR });
		one.start();
		try {
			const left = async (): Promise<string[]> =>
				(await database.query<{ client: string }>('SELECT client FROM rate_limits')).map(({ client }) => client);
			await until(async () => (await left()).length === 1, 'the others are forgotten');
			expect(await left()).toEqual(['still there']);
		} finally {
			await one.stop();
		}
	});
});

describe('a database that goes away', () => {
	it('neither opens nor closes the door', async () => {
		const limit = { requests: 10, per: HOUR };
		const one = limiter(limit);
		for (let count = 0; count < 4; count += 1) expect(await one.admit('alice')).toBe(0);
		await database.takeDown();
		try {
			// This gateway alone now: ten, whatever was used before.
			const { passed } = await asked([one], 30, limit);
			expect(passed).toBe(10);
		} finally {
			await database.bringUp();
		}
	});
});

describe('over HTTP', () => {
	const applications: Application[] = [];
	afterAll(async () => {
		for (const application of applications) await application.stop();
	});

	async function gateways(env: Readonly<Record<string, string>>): Promise<string[]> {
		const two = [await startTestApplication(database, env), await startTestApplication(database, env)];
		applications.push(...two);
		return two.map(({ url }) => url ?? '');
	}

	it('one figure for each token over both gateways, whatever the address; 429 says when to come again', async () => {
		const urls = await gateways({ AUTH: 'jwt', AUTH_JWT_SECRET: SECRET, RATE_LIMIT: '3/m' });
		const get = (token: string, index: number): Promise<Response> =>
			fetch(`${urls[index % 2]}/orders`, { headers: { authorization: `Bearer ${token}` } });
		for (const sub of ['alice', 'bob']) {
			const answers: Response[] = [];
			// Several tokens of one caller are one caller.
			for (let index = 0; index < 18; index += 1)
				answers.push(await get(await secretToken({ sub, jti: index }), index));
			const refused = answers.filter(({ status }) => status === 429);
			expect(answers.filter(({ status }) => status === 200)).toHaveLength(3);
			expect(refused).toHaveLength(15);
			for (const answer of refused) {
				expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
				expect(Number(answer.headers.get('retry-after'))).toBeLessThanOrEqual(20);
				expect(answer.headers.get('content-type')).toBe('application/problem+json');
				expect(await answer.json()).toMatchObject({ status: 429, code: 'RateLimit.Exceeded' });
			}
		}
		// Bad tokens are counted by the address that tries them, and harm no good one.
		const tries: number[] = [];
		for (let index = 0; index < 15; index += 1) tries.push((await get('nonsense', index)).status);
		expect(tries.filter((status) => status === 401)).toHaveLength(3);
		expect(tries.filter((status) => status === 429)).toHaveLength(12);
		expect((await get(await secretToken({ sub: 'carol' }), 0)).status).toBe(200);
		// Nobody asks health too often.
		for (let index = 0; index < 20; index += 1) expect((await fetch(`${urls[0]}/health/ready`)).status).toBe(200);
	});

	it('without tokens each address has its own, as a trusted proxy names it', async () => {
		const urls = await gateways({ RATE_LIMIT: '2/m', TRUST_PROXY: '127.0.0.1' });
		const from = async (address: string | undefined): Promise<number[]> => {
			const headers = address === undefined ? {} : { 'x-forwarded-for': `6.6.6.6, ${address}` };
			const answers = Array.from({ length: 8 }, (_, index) => fetch(`${urls[index % 2]}/orders`, { headers }));
			return (await Promise.all(answers)).map(({ status }) => status);
		};
		for (const address of ['192.0.2.1', '192.0.2.2', '2001:db8::1', undefined]) {
			expect((await from(address)).filter((status) => status === 200)).toHaveLength(2);
		}
		// Another address of the same network.
		expect((await from('2001:db8::ffff:1')).filter((status) => status === 200)).toHaveLength(0);
	});
});
