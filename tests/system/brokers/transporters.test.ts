/** Moleculer's transporters as they are set up and mended here, on every broker that is there. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { type Context, type Middleware, ServiceBroker } from 'moleculer';
import { kafka } from '../../../bin/brokers/kafka.ts';
import { rabbitmq } from '../../../bin/brokers/rabbitmq.ts';
import { redis } from '../../../bin/brokers/redis.ts';
import { KafkaTransporter } from '../../../mixins/brokers/kafka/transporter.ts';
import type { Linkable } from '../../../mixins/brokers/linkable.ts';
import { AmqpTransporter } from '../../../mixins/brokers/rabbitmq/transporter.ts';
import { transporterOf } from '../../../mixins/brokers/transporter-of.ts';
import { HEARTBEAT, REQUEST_TIMEOUT } from '../../../mixins/brokers/transporter-options.ts';
import { CALL_POLICIES, READ_POLICY } from '../../../mixins/cluster/call-policies.ts';
import { OnceInTime } from '../../../mixins/cluster/once-in-time.ts';
import { TransporterLink } from '../../../mixins/cluster/transporter-watchdog.ts';
import { parseBrokerUrl } from '../../../mixins/settings/broker-url.ts';
import { BROKER_KINDS, type TestBroker, testBroker } from '../../support/broker-kinds.ts';
import { describeBroker } from '../../support/brokers.ts';
import { type MemoryLog, memoryLog } from '../../support/database.ts';
import { ask } from '../../support/redis.ts';
import { eventually, PATIENCE, until } from '../../support/until.ts';

interface Node {
	readonly broker: ServiceBroker;
	readonly transporter: Linkable;
	readonly link: TransporterLink;
	readonly log: MemoryLog;
}

interface Received {
	readonly payload: { readonly sender: string };
}

for (const kind of BROKER_KINDS) {
	await describeBroker(kind, `the transporter over ${kind.scheme}`, () => {
		let server: TestBroker;
		let nodes: Node[] = [];
		let namespace = 0;
		let asked: string[];
		let releases: (() => void)[];
		/** what the client does not hear from the server; how often it missed one */
		let loses: string | undefined;
		let lost = 0;
		const release = (): void => {
			for (const each of releases) each();
		};

		beforeAll(async () => {
			server = await testBroker(kind);
			await server.up();
		}, 120_000);
		beforeEach(() => {
			namespace += 1;
			asked = [];
			releases = [];
			loses = undefined;
			lost = 0;
		});
		afterEach(async () => {
			release();
			await server.up();
			await Promise.all(nodes.map(({ broker }) => broker.stop()));
			nodes = [];
		}, 120_000);
		afterAll(() => server?.dispose(), 60_000);

		/** Joins; with a service that echoes, or one that takes its time, if it is to have one. */
		async function join(nodeID: string, serves = false): Promise<Node> {
			const url = parseBrokerUrl(server.url);
			if (url === undefined) throw new Error(server.url);
			// Not for half a minute, or the test of it would take that.
			const transporter = await transporterOf(url, 5_000);
			const log = memoryLog();
			const link = new TransporterLink(transporter, log);
			const losing =
				(next: (command: string, packet: Received) => Promise<unknown>) =>
				async (command: string, packet: Received): Promise<unknown> => {
					if (nodeID !== 'client' || packet.payload.sender !== 'server' || command !== loses)
						return next(command, packet);
					lost += 1;
					return false;
				};
			const broker = new ServiceBroker({
				...{ ...HEARTBEAT, ...CALL_POLICIES, nodeID, namespace: `test-${namespace}`, transporter },
				logger: false,
				requestTimeout: REQUEST_TIMEOUT,
				skipProcessEventRegistration: true,
				middlewares: [
					new OnceInTime().middleware,
					link.middleware,
					{ name: 'Loss', transitMessageHandler: losing } as unknown as Middleware,
				],
			});
			if (serves) serve(broker);
			await broker.start();
			const node = { broker, transporter, link, log };
			nodes.push(node);
			return node;
		}

		function serve(broker: ServiceBroker): void {
			const { promise: released, resolve } = Promise.withResolvers<void>();
			releases.push(resolve);
			const record = (ctx: Context<{ id: string }>): string => {
				asked.push(ctx.params.id);
				return `${broker.nodeID}: ${ctx.params.id}`;
			};
			const slowly = async (ctx: Context<{ id: string }>): Promise<void> => {
				record(ctx);
				await released;
			};
			broker.createService({
				name: 'echo',
				actions: {
					say: record,
					slowly,
					read: { retryPolicy: READ_POLICY, handler: slowly },
				},
			});
		}

		/** Joins by a transporter of this class, and waits until messages pass. */
		async function joinBy<T>(Transporter: abstract new (...args: never) => T): Promise<[Node, T & Linkable]> {
			const node = await join('unheard');
			await passes(node);
			const { transporter } = node;
			if (!(transporter instanceof Transporter)) throw new Error(`no ${Transporter.name}`);
			return [node, transporter];
		}

		/** What becomes of the requests, or the answers, that a node sends. */
		function onSend(
			{ transporter }: Node,
			way: (send: () => Promise<void>) => Promise<void>,
			what: 'REQ' | 'RES' = 'REQ',
		): void {
			const send = transporter.send.bind(transporter);
			transporter.send = (topic, data, meta) => {
				const pass = (): Promise<void> => send(topic, data, meta);
				return topic.includes(`.${what}.`) ? way(pass) : pass();
			};
		}

		const passes = ({ link }: Node): Promise<unknown> => until(() => link.trouble === undefined, 'messages pass');
		const say = ({ broker }: Node, id: string): Promise<unknown> => broker.call('echo.say', { id });
		const knows = ({ broker }: Node, nodeID: string, available = true): boolean =>
			broker.registry.getNodeList({}).some((node) => node.id === nodeID && node.available === available);

		it('believes that messages pass when it has heard its own', async () => {
			const node = await join('alone');
			await passes(node);
			expect(knows(node, 'alone')).toBe(true);
		}, 60_000);

		it('is silent and patient through an outage, and then calls come back', async () => {
			const server1 = await join('server', true);
			const client = await join('client');
			await passes(client);
			expect(await eventually(() => say(client, 'before'))).toBe('server: before');
			const begin = performance.now();
			await server.kill();
			await until(() => client.link.trouble !== undefined && server1.link.trouble !== undefined);
			const calledAt = performance.now();
			await expect(say(client, 'meanwhile')).rejects.toMatchObject({
				type: expect.stringMatching(/^(BAD_GATEWAY|SERVICE_NOT_(FOUND|AVAILABLE)|REQUEST_(TIMEOUT|REJECTED))$/),
			});
			expect(performance.now() - calledAt).toBeLessThan(5_000); // it has certainly not gone out
			await until(() => client.log.lines.some((line) => line.startsWith('warn waiting: ')));
			await server.up();
			await Promise.all([passes(client), passes(server1)]);
			expect(await eventually(() => say(client, 'after'))).toBe('server: after');
			const warnings = client.log.lines.filter((line) => line.startsWith('warn'));
			const minutes = Math.floor((performance.now() - begin) / 60_000);
			expect(warnings.length).toBeLessThanOrEqual(1 + minutes); // one line a minute
			await until(() => client.log.lines.includes('info messages pass through the broker again'));
		}, 120_000);

		it('begins again when it is told to', async () => {
			const server1 = await join('server', true);
			const client = await join('client');
			await passes(client);
			for (const node of [client, server1]) {
				await eventually(() => say(client, 'x'));
				const connects: unknown[] = [];
				node.broker.localBus.on('$transporter.connected', (event) => connects.push(event));
				node.transporter.relink();
				await until(() => connects.length > 0, 'it connects anew');
				await passes(node);
			}
			expect(await eventually(() => say(client, 'again'))).toBe('server: again');
		}, 120_000);

		it('learns of services though the message that tells of them is lost', async () => {
			const server1 = await join('server');
			const client = await join('client');
			await until(() => knows(client, 'server'));
			loses = 'INFO';
			serve(server1.broker);
			await until(() => lost > 0);
			loses = undefined;
			expect(await eventually(() => say(client, 'late'))).toBe('server: late');
		}, 60_000);

		it('carries no request out twice, though its node loses the broker over it', async () => {
			const server1 = await join('server', true);
			const client = await join('client');
			await eventually(() => say(client, 'ready'));
			const call = client.broker.call('echo.slowly', { id: 'once' }, { timeout: PATIENCE });
			call.catch(() => {});
			await until(() => asked.includes('once'));
			const connects: unknown[] = [];
			server1.broker.localBus.on('$transporter.connected', (event) => connects.push(event));
			server1.transporter.relink();
			await until(() => connects.length > 0, 'it connects anew');
			await passes(server1);
			expect(await eventually(() => say(client, 'later'))).toBe('server: later');
			release();
			await call; // the answer comes all the same
			expect(asked.filter((id) => id === 'once')).toEqual(['once']);
		}, 120_000);

		it('carries a request out once that arrives twice', async () => {
			await join('server', true);
			const client = await join('client');
			await eventually(() => say(client, 'ready'));
			onSend(client, async (send) => {
				await send();
				await send();
			});
			expect(await say(client, 'doubled')).toBe('server: doubled');
			expect(await say(client, 'after it')).toBe('server: after it');
			expect(asked.filter((id) => id !== 'ready')).toEqual(['doubled', 'after it']);
		}, 60_000);

		it('sends an answer again that could not be sent', async () => {
			const server1 = await join('server', true);
			const client = await join('client');
			await eventually(() => say(client, 'ready'));
			let attempts = 0;
			onSend(
				server1,
				async (send) => {
					attempts += 1;
					if (attempts < 3) throw new Error('the broker is busy');
					await send();
				},
				'RES',
			);
			expect(await say(client, 'insistent')).toBe('server: insistent');
			expect(asked.filter((id) => id === 'insistent')).toEqual(['insistent']);
		}, 60_000);

		it('begins no call that arrives when its caller is about to give up, and says so', async () => {
			await join('server', true);
			const client = await join('client');
			await eventually(() => say(client, 'ready'));
			onSend(client, async (send) => {
				await pause(1_100);
				await send();
			});
			const call = client.broker.call('echo.say', { id: 'late' }, { timeout: 1_500 });
			await expect(call).rejects.toMatchObject({ type: expect.stringMatching(/^(CALL_TOO_LATE|REQUEST_TIMEOUT)$/) });
			expect(await client.broker.call('echo.say', { id: 'in time' }, { timeout: 15_000 })).toBe('server: in time');
			expect(asked.filter((id) => id !== 'ready')).toEqual(['in time']);
		}, 60_000);

		it('leaves a call its time though its node is not heard for a while', async () => {
			await join('server', true);
			const client = await join('client');
			await eventually(() => say(client, 'ready'));
			const call = client.broker.call('echo.slowly', { id: 'slow' }, { timeout: PATIENCE });
			const read = client.broker.call('echo.read', { id: 'slow' });
			call.catch(() => {});
			read.catch(() => {});
			await until(() => asked.filter((id) => id === 'slow').length === 2);
			client.broker.registry.nodes.disconnected('server', true);
			await expect(read).rejects.toBeDefined();
			release();
			await call; // its answer comes
		}, 60_000);

		it('does not end a process because another one has its name', async () => {
			const [one, two] = [await join('same'), await join('same')];
			const other = await join('other');
			await Promise.all([passes(one), passes(two), passes(other)]);
			await until(() => knows(other, 'same'));
			await one.broker.registry.discoverer.sendLocalNodeInfo();
			await two.broker.registry.discoverer.sendLocalNodeInfo();
			await Promise.all([passes(one), passes(two)]); // and this test still runs
		}, 60_000);

		it('fails the calls that waited for a process whose name another one has now', async () => {
			const server1 = await join('server', true);
			const client = await join('client');
			await eventually(() => say(client, 'ready'));
			const call = client.broker.call('echo.slowly', { id: 'lost' });
			call.catch(() => {});
			await until(() => asked.includes('lost'));
			await server1.transporter.disconnect(); // as if killed: it tells nobody
			await join('server', true);
			await expect(call).rejects.toMatchObject({ type: 'REQUEST_REJECTED' });
			expect(await eventually(() => say(client, 'new'))).toBe('server: new');
		}, 60_000);

		it('tells strangers apart', async () => {
			await join('server', true);
			namespace += 1;
			const stranger = await join('client');
			await passes(stranger);
			await expect(say(stranger, 'hello')).rejects.toMatchObject({ type: 'SERVICE_NOT_FOUND' });
			expect(stranger.broker.registry.getNodeList({}).map(({ id }) => id)).toEqual(['client']);
		}, 60_000);

		if (kind === rabbitmq)
			it('begins again when the broker leaves a subscription without an answer, and the end of a connection too', async () => {
				const [node, transporter] = await joinBy(AmqpTransporter);
				const { transit } = node.broker;
				if (transit === undefined) throw new Error('no transit');
				const connects: unknown[] = [];
				node.broker.localBus.on('$transporter.connected', (event) => connects.push(event));
				const subscribe = transit.makeSubscriptions;
				const unheard = new Promise<typeof transporter.connection>((resolve) => {
					transit.makeSubscriptions = () => {
						transit.makeSubscriptions = subscribe;
						if (transporter.connection !== null) transporter.connection.close = () => new Promise(() => {});
						resolve(transporter.connection);
						return new Promise(() => {});
					};
				});
				transporter.relink();
				const before = await unheard;
				await until(() => connects.length > 0, 'it connects anew');
				await passes(node);
				expect(before?.connection.stream.destroyed).toBe(true); // or its end would be taken for the new one's
				expect(transporter.connected).toBe(true);
			}, 60_000);

		if (kind === kafka)
			it('begins again when its topics vanish before it subscribes to them', async () => {
				const [node, transporter] = await joinBy(KafkaTransporter);
				const wait = transporter.waitForTopicsReady.bind(transporter);
				const vanished = new Promise<void>((resolve) => {
					transporter.waitForTopicsReady = async (topics) => {
						transporter.waitForTopicsReady = wait;
						await transporter.admin?.deleteTopics({ topics });
						resolve();
					};
				});
				transporter.relink();
				await vanished;
				await until(() => node.link.trouble !== undefined);
				await passes(node);
			}, 60_000);

		if (kind === kafka)
			it('begins again when its consumer cannot join its group again', async () => {
				const [node, transporter] = await joinBy(KafkaTransporter);
				const { consumer } = transporter;
				consumer?.emit('error', new Error('it could not join'));
				await until(() => transporter.consumer !== consumer && transporter.consumer?.isActive(), 'it connects anew');
				await passes(node);
				const after = transporter.consumer;
				consumer?.emit('error', new Error('it was closed meanwhile'));
				expect(transporter.consumer).toBe(after);
			}, 60_000);

		if (kind === redis)
			it('does not take the others for dead after it was suspended itself', async () => {
				await join('server', true);
				const client = await join('client');
				await until(() => knows(client, 'server'));
				const heard = (): number =>
					client.broker.registry.nodes.toArray().find(({ id }) => id === 'server')?.lastHeartbeatTime ?? 0;
				await until(() => client.broker.transit?.connected);
				const before = heard();
				await until(() => heard() > before); // its timers run
				const dropped: unknown[] = [];
				client.broker.localBus.on('$node.disconnected', (event) => dropped.push(event));
				Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 8_000);
				const resumed = heard();
				await until(() => dropped.length > 0 || heard() > resumed);
				expect(dropped).toEqual([]);
				expect(await say(client, 'hello')).toBe('server: hello');
			}, 60_000);

		if (kind === redis)
			it('keeps two connections, however often Redis was away', async () => {
				const node = await join('frugal');
				await passes(node);
				for (let outage = 0; outage < 3; outage += 1) {
					await server.kill();
					await until(() => node.link.trouble !== undefined);
					await server.up();
					await passes(node);
				}
				// One that is kept for good would be there for ever; one that is just replaced may be missing or there twice.
				await until(async () => {
					const clients = await ask(server.url, (client) => client.client('LIST'));
					const names = String(clients).match(/(?<= name=protected-payment-)\w+/g) ?? [];
					return names.sort().join() === 'publisher,subscriber';
				});
			}, 120_000);
	});
}
