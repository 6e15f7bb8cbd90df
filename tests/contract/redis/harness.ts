import type { Topology } from '../../../mixins/brokers/carrier.ts';
import { RedisCarrier } from '../../../mixins/brokers/redis/carrier.ts';
import { keysOf } from '../../../mixins/brokers/redis/keys.ts';
import { decode } from '../../../mixins/brokers/redis/message.ts';
import { machineClock } from '../../support/clock.ts';
import { ask, redisUrl, startRedis, type TestRedis } from '../../support/redis.ts';
import type { BrokerHarness, CarrierModule, Space } from '../carrier-harness.ts';

/** The Redis carrier on a server of the test file's own, as durable as in production. */
export function redisHarness(): BrokerHarness & { redis(): TestRedis } {
	let redis: TestRedis | undefined;
	let spaces = 0;
	const running = (): TestRedis => {
		if (redis === undefined) throw new Error('Redis was not started');
		return redis;
	};
	return {
		redis: running,
		module: import.meta.url,
		early: 5, // both sides read the same clock, which is set a little now and then
		transactional: false,
		start: async () => {
			redis = await startRedis();
		},
		stop: async () => redis?.stop(),
		takeDown: () => running().server.down(),
		bringUp: () => running().server.up(),
		kill: async () => {
			await running().server.kill();
			await running().server.up();
		},
		restart: async () => {
			await running().server.down();
			await running().server.up();
		},
		clock: async () => machineClock.now(),
		space: async (topology) => {
			await running().ask((client) => client.flushall());
			spaces += 1;
			return toSpace(running().url, `space-${spaces}`, topology);
		},
	};
}

/** All that is held, at one instant: what waits for its moment, what is in hand, and what nobody has taken yet. */
const BACKLOG = `
	local held = redis.call('ZCARD', KEYS[2])
	if redis.call('EXISTS', KEYS[1]) == 0 then return held end
	local groups = redis.call('XINFO', 'GROUPS', KEYS[1])
	if #groups == 0 then return held + redis.call('XLEN', KEYS[1]) end
	local group = {}
	for i = 1, #groups[1], 2 do group[groups[1][i]] = groups[1][i + 1] end
	return held + group['pending'] + #redis.call('XRANGE', KEYS[1], '(' .. group['last-delivered-id'], '+')`;

function toSpace(url: string, prefix: string, topology: Topology): Space {
	const { groups } = keysOf(prefix, Object.keys(topology.consumers));
	const keysOfGroup = (group: string): readonly [string, string] => {
		const keys = groups.find((known) => known.group === group);
		return [keys?.stream ?? '', keys?.delayed ?? ''];
	};
	return {
		address: JSON.stringify({ url, prefix }),
		backlog: async (group) => Number(await ask(url, (client) => client.eval(BACKLOG, 2, ...keysOfGroup(group)))),
		plan: async (group) => {
			const [, delayed] = keysOfGroup(group);
			const members = await ask(url, (client) => client.zrange(delayed, 0, -1, 'WITHSCORES'));
			return new Map(
				members.flatMap((member, index) => (index % 2 === 0 ? [[decode(member).id, Number(members[index + 1])]] : [])),
			);
		},
		hasten: async () => {
			await ask(url, async (client) => {
				for (const { delayed } of groups) await client.zunionstore(delayed, 1, delayed, 'WEIGHTS', 0);
			});
		},
	};
}

export const openCarrier: CarrierModule['openCarrier'] = (address, topology, log) => {
	const { url, prefix }: { url: string; prefix: string } = JSON.parse(address);
	const carrier = new RedisCarrier(redisUrl(url), topology, log, { prefix, clock: machineClock });
	return { carrier, release: () => carrier.close() };
};
