/**
 * The scripts. Each is one step for Redis, so that a message is never in two places or in none, even if a process dies.
 * They read no clock, moments are given to them, and touch only the keys that they are given.
 */
import type { ClientContext, Result } from 'ioredis';
import { FIELD } from './message.ts';

/**
 * A Redis whose memory is full refuses to store more, but not in a script that has written before. What only moves
 * messages goes on that way, since it is what makes room; this writes nothing.
 */
const EVEN_IF_FULL = `
	local function evenIfFull(key) redis.call('PERSIST', key) end
`;

/**
 * Cuts a stream behind what every consumer group has acknowledged, groups of strangers included. The first entry that
 * is kept: the oldest in hand, or else the one after the last that was delivered, whichever group is furthest behind.
 */
const TRIM = `
	local function parts(id)
		local ms, seq = string.match(id, '(%d+)-(%d+)')
		return tonumber(ms), tonumber(seq)
	end
	local function trim(stream)
		local keepMs, keepSeq
		for _, fields in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
			local group = {}
			for i = 1, #fields, 2 do group[fields[i]] = fields[i + 1] end
			local oldest = redis.call('XPENDING', stream, group['name'])[2]
			local ms, seq = parts(oldest or group['last-delivered-id'])
			if not oldest then seq = seq + 1 end
			if not keepMs or ms < keepMs or (ms == keepMs and seq < keepSeq) then keepMs, keepSeq = ms, seq end
		end
		if keepMs then redis.call('XTRIM', stream, 'MINID', string.format('%.0f-%.0f', keepMs, keepSeq)) end
	end
`;

/**
 * KEYS: the events for others, then a stream and a sorted set for each group. ARGV: for each message its moment (0 if
 * that is past, below 0 if it has none at all), itself, the number of its groups and their places in KEYS, the first
 * being 1.
 */
const PUBLISH = `
	${TRIM}
	local events = KEYS[1]
	local heard = redis.call('TYPE', events).ok == 'stream' and #redis.call('XINFO', 'GROUPS', events) > 0
	local i = 1
	while i <= #ARGV do
		local moment, message, groups = tonumber(ARGV[i]), ARGV[i + 1], tonumber(ARGV[i + 2])
		for g = i + 3, i + 2 + groups do
			local place = 2 * ARGV[g]
			if moment > 0 then redis.call('ZADD', KEYS[place + 1], ARGV[i], message)
			else redis.call('XADD', KEYS[place], '*', '${FIELD}', message) end
		end
		if heard and moment < 0 then
			redis.call('XADD', events, '*', 'event', string.sub(message, string.find(message, '\\n', 1, true) + 1))
		end
		i = i + 3 + groups
	end
	if heard then trim(events) end
	return redis.status_reply('OK')
`;

/**
 * Moves what is due to where it is delivered, the longest due first. KEYS: a stream and a sorted set for each group.
 * ARGV: the most for each group in one call, the present moment. Returns how many it moved at most, and the next one's
 * moment if any waits.
 */
const MOVE_DUE = `
	${EVEN_IF_FULL}
	local most, now, moved, next = tonumber(ARGV[1]), ARGV[2], 0, nil
	for i = 1, #KEYS, 2 do
		local stream, delayed, left = KEYS[i], KEYS[i + 1], most
		while left > 0 do
			-- Little by little: nobody knows how long they are.
			local due = redis.call('ZRANGEBYSCORE', delayed, '-inf', now, 'LIMIT', 0, math.min(left, 100))
			if #due == 0 then break end
			evenIfFull(delayed)
			for _, message in ipairs(due) do redis.call('XADD', stream, '*', '${FIELD}', message) end
			redis.call('ZREMRANGEBYRANK', delayed, 0, #due - 1)
			left = left - #due
			moved = moved + #due
		end
		local first = redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')[2]
		if first and (not next or tonumber(first) < tonumber(next)) then next = first end
	end
	return {moved, next}
`;

/** Makes a group that gets all that its stream holds, unless it is there. KEYS: the stream. ARGV: the group. */
const FOUND = `
	${EVEN_IF_FULL}
	evenIfFull(KEYS[1])
	local reply = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
	if reply.err and not string.find(reply.err, 'BUSYGROUP', 1, true) then return reply end
	return redis.status_reply('OK')
`;

/** KEYS: a stream. ARGV: its group, then the entries that are done. */
const ACKNOWLEDGE = `
	${TRIM}
	if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
	local done = 0
	for from = 2, #ARGV, 500 do
		done = done + redis.call('XACK', KEYS[1], ARGV[1], unpack(ARGV, from, math.min(from + 499, #ARGV)))
	end
	trim(KEYS[1])
	return done
`;

/**
 * Takes entries out of hand and delays their messages. KEYS: the stream, the sorted set. ARGV: the group, then for each
 * its entry, the moment at which it is to come again, the message. An entry that another consumer has settled meanwhile
 * is skipped.
 */
const SET_BACK = `
	${TRIM}
	if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
	for i = 2, #ARGV, 3 do
		if redis.call('XACK', KEYS[1], ARGV[1], ARGV[i]) == 1 then
			redis.call('ZADD', KEYS[2], ARGV[i + 1], ARGV[i + 2])
		end
	end
	trim(KEYS[1])
	return 1
`;

/** Says that this consumer still works on the entries that it still holds. KEYS: the stream. ARGV: the group, the consumer, the entries. */
const TOUCH = `
	local stream, group, consumer = KEYS[1], ARGV[1], ARGV[2]
	for i = 3, #ARGV do
		if #redis.call('XPENDING', stream, group, ARGV[i], ARGV[i], 1, consumer) == 1 then
			redis.call('XCLAIM', stream, group, consumer, 0, ARGV[i], 'IDLE', 0, 'JUSTID')
		end
	end
	return redis.status_reply('OK')
`;

/**
 * Lets others claim at once what this consumer still holds. KEYS: the stream. ARGV: the group, the consumer, the idle
 * time after which others claim, then for each its entry and how often it was delivered to a consumer that died of it.
 */
const GIVE_AWAY = `
	local stream, group, consumer, idle = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
	for i = 4, #ARGV, 2 do
		if #redis.call('XPENDING', stream, group, ARGV[i], ARGV[i], 1, consumer) == 1 then
			redis.call('XCLAIM', stream, group, consumer, 0, ARGV[i], 'IDLE', idle, 'RETRYCOUNT', ARGV[i + 1], 'JUSTID')
		end
	end
	return redis.status_reply('OK')
`;

/**
 * Forgets consumers that hold nothing and were idle for so long; Redis would drop what they hold together with them.
 * KEYS: the stream. ARGV: the group, the milliseconds, the consumer if only one is meant.
 */
const DISMISS = `
	for _, fields in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
		local consumer = {}
		for i = 1, #fields, 2 do consumer[fields[i]] = fields[i + 1] end
		local meant = not ARGV[3] or ARGV[3] == consumer['name']
		if meant and consumer['pending'] == 0 and consumer['idle'] >= tonumber(ARGV[2]) then
			redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer['name'])
		end
	end
	return redis.status_reply('OK')
`;

/** For ioredis, which sends each by its hash once a connection has sent it in full. */
export const SCRIPTS = {
	publishMessages: { lua: PUBLISH },
	moveDue: { lua: MOVE_DUE },
	createGroup: { lua: FOUND, numberOfKeys: 1 },
	acknowledge: { lua: ACKNOWLEDGE, numberOfKeys: 1 },
	setBack: { lua: SET_BACK, numberOfKeys: 2 },
	touchEntries: { lua: TOUCH, numberOfKeys: 1 },
	giveAway: { lua: GIVE_AWAY, numberOfKeys: 1 },
	dismissConsumers: { lua: DISMISS, numberOfKeys: 1 },
};

/** The number of keys, if it is not fixed, then the keys and the arguments. */
type Run<Context extends ClientContext> = (...args: (string | number)[]) => Result<unknown, Context>;

declare module 'ioredis' {
	interface RedisCommander<Context> {
		publishMessages: Run<Context>;
		moveDue: Run<Context>;
		createGroup: Run<Context>;
		acknowledge: Run<Context>;
		setBack: Run<Context>;
		touchEntries: Run<Context>;
		giveAway: Run<Context>;
		dismissConsumers: Run<Context>;
	}
}
