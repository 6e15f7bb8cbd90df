import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'amqplib';
import { freePort } from '../../../bin/brokers/ports.ts';
import { LocalRabbitMq } from '../../../bin/brokers/rabbitmq.ts';
import type { Duration, Instant } from '../../../domain/time.ts';
import type { Topology } from '../../../mixins/brokers/carrier.ts';
import { RabbitMqCarrier } from '../../../mixins/brokers/rabbitmq/carrier.ts';
import { LEVELS, lengthName, USUAL } from '../../../mixins/brokers/rabbitmq/delay-ladder.ts';
import { addressOf, Names } from '../../../mixins/brokers/rabbitmq/topology.ts';
import { machineClock } from '../../support/clock.ts';
import type { BrokerHarness, CarrierModule, Space } from '../carrier-harness.ts';

export const PREFIX = 'suite';
const NAMES = new Names(PREFIX);

export interface RabbitMqHarness extends BrokerHarness {
	server(): LocalRabbitMq;
	/** Deletes the space with all that is in it, and all who use it, and makes it anew. */
	empty(): Promise<void>;
}

/** The RabbitMQ carrier on a broker of the test file's own, in a temporary folder. */
export function rabbitMqHarness(): RabbitMqHarness {
	let server: LocalRabbitMq | undefined;
	let spaces = 0;
	const running = (): LocalRabbitMq => {
		if (server === undefined) throw new Error('RabbitMQ was not started');
		return server;
	};
	async function create(number: number): Promise<void> {
		const [vhost, all] = [`<<"space-${number}">>`, '<<".*">>'];
		await running().evaluate(`ok = rabbit_vhost:add(${vhost}, <<"test">>),
			rabbit_auth_backend_internal:set_permissions(<<"guest">>, ${vhost}, ${all}, ${all}, ${all}, <<"test">>)`);
	}
	/**
	 * Once each queue has its leader, and each leader its dead-letter worker: a queue that is deleted before ends its worker
	 * while that starts, and too many such ends in a row end the broker's supervisor of all of them.
	 */
	async function remove(number: number): Promise<void> {
		await running().evaluate(`
			[ra:members(amqqueue:get_pid(Queue), 10000) || Queue <- rabbit_amqqueue:list(<<"space-${number}">>)],
			[catch sys:get_status(Worker, 10000) || {_, Worker, _, _} <- supervisor:which_children(rabbit_fifo_dlx_sup), is_pid(Worker)],
			rabbit_vhost:delete(<<"space-${number}">>, <<"test">>)`);
	}
	return {
		server: running,
		module: import.meta.url,
		early: 100,
		transactional: false,
		start: async () => {
			const folder = await mkdtemp(join(tmpdir(), 'pp-rabbitmq-'));
			server = new LocalRabbitMq({ folder, port: await freePort() });
			await server.up();
		},
		stop: async () => {
			await server?.kill();
			await server?.wipe();
		},
		takeDown: () => running().down(),
		bringUp: () => running().up(),
		kill: async () => {
			await settle(running());
			await running().kill();
			await running().up();
		},
		restart: async () => {
			await running().evaluate('ok = rabbit:stop(), ok = rabbit:start()');
		},
		clock: async () => Date.now(),
		space: async (topology) => {
			spaces += 1;
			if (spaces > 1) await remove(spaces - 1);
			await create(spaces);
			return toSpace(running(), `space-${spaces}`, topology);
		},
		empty: async () => {
			await remove(spaces);
			await create(spaces);
		},
	};
}

/**
 * Writes down which quorum queues there are. The broker does so by itself within three minutes of their declaration;
 * one that is killed earlier comes back without them.
 */
export async function settle(server: LocalRabbitMq): Promise<void> {
	await server.evaluate('[dets:sync(Table) || Table <- dets:all()]');
}

function toSpace(server: LocalRabbitMq, vhost: string, topology: Topology): Space {
	const address = `${server.url}/${vhost}`;
	const queues = `Queues = [{Name, amqqueue:get_pid(Q)} || Q <- rabbit_amqqueue:list(<<"${vhost}">>),
		{resource, _, _, Name} <- [amqqueue:get_name(Q)]],
		Ask = fun(Pid, Query) -> {ok, {_, Answer}, _} = ra:local_query(Pid, Query), Answer end,
		IsDelay = fun(Name) -> string:prefix(Name, "${PREFIX}.delay.") =/= nomatch end,`;
	return {
		address,
		/** Delayed ones count for each group, whichever they are for. */
		backlog: async (group) => {
			// On its way a message is in two places rather than in none: looked for in the order in which it goes.
			const output = await server.evaluate(`${queues}
				Total = fun(Is) -> lists:sum([Ask(Pid, fun rabbit_fifo:query_messages_total/1) || {N, Pid} <- Queues, Is(N)]) end,
				Before = Total(IsDelay),
				There = Total(fun(Name) -> Name =:= <<"${NAMES.group(group)}">> end),
				io:format("~w~n", [There + max(Before, Total(IsDelay))])`);
			return Number(output);
		},
		plan: async (group) => {
			const output = await server.evaluate(`${queues}
				[begin
					{ok, [_ | Header]} = Ask(Pid, fun(State) -> rabbit_fifo:query_peek(At, State) end),
					{ok, Parts} = rabbit_quorum_queue:peek(At, {resource, <<"${vhost}">>, queue, Name}),
					Part = fun(Key) -> proplists:get_value(Key, Parts) end,
					io:format("~s ~s ~s ~w ~w~n", [Name, Part(<<"message_id">>), hd(Part(<<"routing_keys">>)),
						rabbit_fifo:get_header(expiry, Header), Part(<<"header.rest">>)])
				end || {Name, Pid} <- Queues, IsDelay(Name),
					At <- lists:seq(1, Ask(Pid, fun rabbit_fifo:query_messages_ready/1))]`);
			const waiting = output.split('\n').flatMap((line): [string, Instant][] => {
				const [queue = '', id = '', key = '', expiry, rest] = line.trim().split(' ');
				const [address = '', ...waits] = key.split('.').toReversed();
				if (address !== addressOf(group) && !topology.consumers[group]?.includes(address)) return [];
				const later = waits.slice(0, waits.indexOf(queue.slice(`${PREFIX}.delay.`.length)));
				return [[id, Number(expiry) + sum(later.map(lengthOf)) + Number(rest)]];
			});
			return new Map(waiting);
		},
		hasten: () => hasten(address),
	};
}

const LENGTHS = new Map(LEVELS.flat().map((length) => [lengthName(length), length]));

const lengthOf = (name: string): Duration => LENGTHS.get(name) ?? 0;

const sum = (lengths: readonly Duration[]): Duration => lengths.reduce((total, length) => total + length, 0);

/** Takes all that waits out of the delays and puts it where it would come out. */
async function hasten(url: string): Promise<void> {
	const connection = await connect(url);
	const channel = await connection.createConfirmChannel();
	for (const length of [...LEVELS.flat(), ...USUAL]) {
		for (;;) {
			const message = await channel.get(NAMES.delayQueue(length));
			if (message === false) break;
			const { content, fields, properties } = message;
			const headers = { ...properties.headers, rest: 0 };
			channel.publish(NAMES.due, fields.routingKey, content, { ...properties, headers, persistent: true });
			await channel.waitForConfirms();
			channel.ack(message);
		}
	}
	await channel.close();
	await connection.close();
}

export const openCarrier: CarrierModule['openCarrier'] = (address, topology, log) => {
	const carrier = new RabbitMqCarrier(address, topology, log, { prefix: PREFIX, clock: machineClock });
	return { carrier, release: () => carrier.close() };
};
