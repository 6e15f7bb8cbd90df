import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, lstat, mkdir, mkdtemp, readdir, realpath, rm, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Context, ServiceBroker } from 'moleculer';
import { UnixSocketHub } from '../../../mixins/cluster/unix-socket-transporter.ts';
import { chooseSocketDir } from '../../../mixins/database/embedded/host.ts';
import { openRepl, type Session } from '../../support/repl.ts';
import { until } from '../../support/until.ts';

const OPERATOR = /subject: 'operator', scopes: \[ 'orders:admin' \]/;

/** A process that listens on the path that it is given, until it is killed. */
const LISTENER = `require('node:net').createServer().listen(process.argv[1], () => console.log('listens'))`;

interface System {
	readonly broker: ServiceBroker;
	readonly hub: UnixSocketHub;
}

let root: string;
let dataDir: string;
let systems: System[];
let children: ChildProcess[];
let called: string[];
let release: () => void;

beforeEach(async () => {
	root = await realpath(await mkdtemp(join(tmpdir(), 'repl-')));
	dataDir = join(root, 'data');
	systems = [];
	children = [];
	called = [];
});

afterEach(async () => {
	for (const child of children) await kill(child);
	for (const { broker } of systems) await broker.stop();
	await rm(root, { recursive: true, force: true });
});

/** A broker with a stand-in for the orders service; lets REPLs in unless told otherwise. */
async function start({ folder = dataDir, open = true } = {}): Promise<System> {
	const hub = new UnixSocketHub(folder);
	const broker = new ServiceBroker({
		nodeID: 'system',
		transporter: hub,
		logger: false,
		validator: false,
		registry: { stopDelay: 0 },
		skipProcessEventRegistration: true,
	});
	const released = new Promise<void>((resolve) => {
		release = resolve;
	});
	const record = (ctx: Context<{ id: string }>, name: string) => {
		called.push(`${name} ${ctx.params.id}`);
		return { id: ctx.params.id, caller: (ctx.meta as { caller?: unknown }).caller };
	};
	broker.createService({
		name: 'orders',
		actions: {
			get: (ctx: Context<{ id: string }>) => record(ctx, 'get'),
			create: {
				params: {
					type: 'object',
					properties: {
						productName: { type: 'string' },
						amount: { type: ['string', 'number'] },
						quantity: { type: 'integer' },
					},
				},
				handler: ({ params }: Context<object>) => void called.push(JSON.stringify(params)),
			},
			slow: async (ctx: Context<{ id: string }>) => {
				const answer = record(ctx, 'slow');
				await released;
				called.push(`slow ended`);
				return answer;
			},
		},
	});
	systems.push({ broker, hub });
	await broker.start();
	if (open) await hub.open();
	return { broker, hub };
}

function repl(input?: string, folder = dataDir): Session {
	const session = openRepl({ HOME: root, DATA_DIR: folder, TMPDIR: tmpdir() }, input);
	children.push(session.child);
	return session;
}

async function kill(child: ChildProcess): Promise<void> {
	if (child.exitCode !== null || child.signalCode !== null) return;
	const exited = once(child, 'exit');
	child.kill('SIGKILL');
	await exited;
}

/** Leaves a socket behind as a killed system does. */
async function leaveStaleSocket(path: string): Promise<void> {
	await mkdir(dirname(path), { recursive: true });
	const child = spawn(process.execPath, ['-e', LISTENER, path], { stdio: ['ignore', 'pipe', 'inherit'] });
	children.push(child);
	await once(createInterface(child.stdout), 'line');
	await kill(child);
	expect((await lstat(path)).isSocket()).toBe(true);
}

const nodesOf = ({ broker }: System): string[] => broker.registry.nodes.toArray().map(({ id }) => id);
const socketOf = (folder = dataDir): string => join(folder, 'repl.sock');

describe('npm run repl', () => {
	it('calls an action of the running system as the operator, and ends with its input', async () => {
		const system = await start();
		const session = repl(`call orders.get '{"id":"7"}'\n`);
		expect(await session.ended).toBe(0);
		expect(session.output()).toMatch(/>> Response:\n\{\s*id: '7',/);
		expect(session.output()).toMatch(OPERATOR);
		expect(session.output()).not.toContain('undefined');
		expect(session.errors()).toBe('');
		expect(called).toEqual(['get 7']);
		await until(() => nodesOf(system).length === 1);
	});

	it('does not take a caller from the command', async () => {
		await start();
		const session = repl(`call orders.get '{"id":"7"}' '{"caller":{"subject":"eve","scopes":[]}}'\n`);
		expect(await session.ended).toBe(0);
		expect(session.output().split('>> Response:')[1]).toMatch(OPERATOR);
	});

	it('runs piped commands one after the other and waits for the last answer', async () => {
		await start();
		const ids = Array.from({ length: 300 }, (_, index) => index); // more than are done while a broker stops
		const session = repl(['call orders.slow --id 0', ...ids.map((id) => `call orders.get --id ${id}`)].join('\n'));
		await until(() => called.length > 0);
		release();
		expect(await session.ended).toBe(0);
		expect(called).toEqual(['slow 0', 'slow ended', ...ids.map((id) => `get ${id}`)]);
		expect(session.output().match(/>> Response:/g)).toHaveLength(301);
	});

	it('passes options on as they were typed where the action takes a text', async () => {
		await start();
		const digits = '12345678901234567890';
		const names = ['1e5', 'true', '"two words"', "'0.50'", '0033', digits, '--amount'];
		const session = repl(names.map((name) => `call orders.create --productName ${name} --amount 1.50`).join('\n'));
		expect(await session.ended).toBe(0);
		const made = called.map((params) => (JSON.parse(params) as { productName: unknown }).productName);
		expect(made).toEqual(['1e5', 'true', 'two words', '0.50', '0033', digits, true]);
		expect(called[0]).toBe('{"productName":"1e5","amount":"1.50"}');
	});

	it('passes amounts on with the digits that were given, and other numbers as numbers', async () => {
		await start();
		const session = repl(`call orders.create --amount=19.90 --quantity 2.0
			call orders.create --amount 1e2
			call orders.create '{"amount":10.500,"quantity":1e1,"more":{"amount":3}}'
			call orders.create '{"amount":"7.00"}'\n`);
		expect(await session.ended).toBe(0);
		expect(called).toEqual([
			'{"amount":"19.90","quantity":2}',
			'{"amount":"1e2"}',
			'{"amount":"10.500","quantity":10,"more":{"amount":3}}',
			'{"amount":"7.00"}',
		]);
	});

	it('goes on after a call that fails, keeps the commands of moleculer-repl, and ends with 1', async () => {
		await start();
		const session = repl(`call orders.none\nnodes\ncall orders.get --id 3\nquit\ncall orders.get --id 4\n`);
		expect(await session.ended).toBe(1);
		expect(session.errors()).toMatch(/Service 'orders.none' is not found/);
		expect(session.output()).toMatch(/system/);
		expect(called).toEqual(['get 3']);
	});

	it.each(['no-such-command', 'call orders.get {', 'call'])('ends with 1 after %j', async (command) => {
		await start();
		const session = repl(`${command}\ncall orders.get --id 3\n`);
		expect(await session.ended).toBe(1);
		expect(session.errors()).not.toBe('');
		expect(called).toEqual(['get 3']);
	});

	it('says in one line that nothing runs there', async () => {
		const session = repl(`call orders.get '{"id":"7"}'\n`);
		expect(await session.ended).toBe(1);
		expect(session.errors()).toMatch(/^No running system to join [^\n]*repl\.sock\n$/);
		expect(session.output()).toBe('');
	});

	it('says in one line that a killed system does not run', async () => {
		await leaveStaleSocket(socketOf());
		const session = repl('');
		expect(await session.ended).toBe(1);
		expect(session.errors()).toMatch(/^No running system to join [^\n]*repl\.sock\n$/);
	});

	it('ends, saying so, when the system stops', async () => {
		const system = await start();
		const session = repl();
		await until(() => session.output().includes('mol $'));
		await system.broker.stop();
		expect(await session.ended).toBe(1);
		expect(session.errors()).toBe('The system has gone away.\n');
	});

	it('ends with an error for a call that was under way when the system went away', async () => {
		const system = await start();
		const session = repl(`call orders.slow --id 1\n`);
		await until(() => called.length === 1);
		await system.hub.disconnect();
		release();
		expect(await session.ended).toBe(1);
		expect(session.errors()).toMatch(/Request is rejected/);
		expect(session.errors()).toMatch(/The system has gone away\.\n$/);
	});

	it('lets several in at once', async () => {
		const system = await start();
		const [one, two] = [repl(), repl()];
		await until(() => nodesOf(system).length === 3);
		await until(() => one.output().includes('mol $') && two.output().includes('mol $'));
		one.child.stdin?.write('nodes\ncall orders.get --id 1\n');
		two.child.stdin?.write('call orders.get --id 2\n');
		await until(() => one.output().includes('Response') && two.output().includes('Response'));
		expect(one.output().match(/repl-/g)).toHaveLength(2); // each knows of the other
		one.child.stdin?.end();
		expect(await one.ended).toBe(0);
		await until(() => nodesOf(system).length === 2);
		two.child.stdin?.end('call orders.get --id 3\n');
		expect(await two.ended).toBe(0);
		expect(called.sort()).toEqual(['get 1', 'get 2', 'get 3']);
	});
});

describe('the socket', () => {
	it("is its owner's alone, and goes with the system", async () => {
		const { broker } = await start();
		const found = await stat(socketOf());
		expect(found.isSocket()).toBe(true);
		expect(found.mode & 0o777).toBe(0o600);
		await broker.stop();
		expect(await readdir(dataDir)).toEqual([]);
	});

	it('replaces one that a killed system left', async () => {
		await leaveStaleSocket(socketOf());
		await leaveStaleSocket(`${socketOf()}.new`);
		await start();
		expect(await readdir(dataDir)).toEqual(['repl.sock']);
		expect(await repl(`call orders.get --id 1\n`).ended).toBe(0);
		expect(called).toEqual(['get 1']);
	});

	it('is left to a system that is alive', async () => {
		await start();
		const { hub, broker } = await start({ open: false });
		await expect(hub.open()).rejects.toThrow(`another process listens on ${socketOf()}`);
		await broker.stop();
		const session = repl(`call orders.get --id 1\n`);
		expect(await session.ended).toBe(0);
	});

	it('lies in a private folder where the data folder is too deep for its address', async () => {
		const deep = join(root, 'd'.repeat(100));
		const folder = chooseSocketDir(join(deep, 'repl'));
		await mkdir(folder, { mode: 0o777 });
		await chmod(folder, 0o777);
		try {
			await start({ folder: deep });
			expect((await stat(folder)).mode & 0o777).toBe(0o700);
			expect((await stat(socketOf(folder))).mode & 0o777).toBe(0o600);
			expect(await repl(`call orders.get --id 1\n`, deep).ended).toBe(0);
			expect(called).toEqual(['get 1']);
		} finally {
			await rm(folder, { recursive: true });
		}
	});

	it('drops whoever does not keep to the frames, and nobody else', async () => {
		const system = await start();
		const session = repl();
		await until(() => nodesOf(system).length === 2);
		const tooLong = Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0]);
		const notIntroduced = Buffer.from([0, 0, 0, 3, 0, 3, ...Buffer.from('XYZ')]);
		const asTheSystem = Buffer.from([0, 0, 0, 6, 0, 0, ...Buffer.from('system')]);
		for (const bytes of [tooLong, notIntroduced, asTheSystem]) {
			const socket = connect(socketOf());
			socket.on('error', () => {});
			socket.write(bytes);
			await once(socket, 'close');
		}
		const [inItsHeader, inItsBody] = [asTheSystem.subarray(0, 3), asTheSystem.subarray(0, 9)];
		for (const bytes of [inItsHeader, inItsBody]) {
			const socket = connect(socketOf());
			socket.end(bytes); // the end comes in the middle of a frame
			await once(socket.resume(), 'close');
		}
		session.child.stdin?.end('call orders.get --id 1\n');
		expect(await session.ended).toBe(0);
		expect(called).toEqual(['get 1']);
	});
});

describe('the system', () => {
	it('forgets a REPL that is killed', async () => {
		const system = await start();
		const session = repl();
		await until(() => nodesOf(system).length === 2);
		await kill(session.child);
		await until(() => nodesOf(system).length === 1, 'it is forgotten', 1000); // long before any heartbeat would be missed
		expect(nodesOf(system)).toEqual(['system']);
	});

	it('is joined by a node without services', async () => {
		await start();
		const session = repl('nodes\n');
		expect(await session.ended).toBe(0);
		expect(session.output()).toMatch(/system +│ +2 +│/); // orders and Moleculer's own
		expect(session.output()).toMatch(/repl-\S+ \(\*\) +│ +0 +│/);
	});

	it('serialises nothing while no REPL is there', async () => {
		const { broker } = await start();
		let serialised = 0;
		const { serializer } = broker as unknown as { serializer: { serialize(...args: unknown[]): Buffer } };
		const serialize = serializer.serialize.bind(serializer);
		serializer.serialize = (...args) => {
			serialised += 1;
			return serialize(...args);
		};
		const everything = async () => {
			await broker.call('orders.get', { id: '1' });
			await broker.emit('some.event', {});
			await broker.broadcast('some.event', {});
			await broker.registry.discoverer.beat();
			await broker.registry.discoverer.sendLocalNodeInfo();
		};
		await everything();
		expect(serialised).toBe(0);
		repl();
		await until(() => broker.registry.nodes.count() === 2);
		serialised = 0;
		await everything();
		expect(serialised).toBeGreaterThan(0); // the count is not blind
	});

	it('can stop before anybody was let in, and leaves nothing that keeps a process alive', async () => {
		const script = `
			const { ServiceBroker } = await import('moleculer');
			const { UnixSocketHub } = await import('./mixins/cluster/unix-socket-transporter.ts');
			for (const open of [false, true]) {
				const hub = new UnixSocketHub(process.argv[1]);
				const broker = new ServiceBroker({ transporter: hub, logger: false, skipProcessEventRegistration: true });
				await broker.start();
				if (open) await hub.open();
				await broker.stop();
			}
			console.log('stopped');
		`;
		const child = spawn(process.execPath, ['--input-type=module', '-e', script, dataDir], {
			cwd: join(import.meta.dirname, '../../..'),
			stdio: ['ignore', 'pipe', 'inherit'],
		});
		children.push(child);
		const closed = once(child, 'close');
		expect((await once(createInterface(child.stdout), 'line'))[0]).toBe('stopped');
		expect((await closed)[0]).toBe(0);
	});
});
