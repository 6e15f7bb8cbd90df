/** What all local brokers have in common, shown with a process of our own. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { type Launch, LocalProcess, type Ports } from '../../../bin/brokers/local-process.ts';
import { freePort, isListening } from '../../../bin/brokers/ports.ts';
import { familyOf, isAlive, signalTo } from '../../../bin/brokers/processes.ts';
import { until } from '../../support/until.ts';

/** Listens on both ports. */
const SERVER = `for (const port of process.argv.slice(1)) require('node:net').createServer().listen(port, '127.0.0.1');`;
/** The same, with a child that no SIGTERM ends. */
const PARENT = `${SERVER}
	require('node:child_process').spawn(process.execPath, ['-e', "process.on('SIGTERM', () => {}); setInterval(() => {}, 1e6)"]);`;

class Stub extends LocalProcess {
	readonly url: string;
	script = SERVER;
	cleaned = 0;
	starts = 0;

	constructor(folder: string, port: number) {
		super('Stub', { folder, port }, ['further']);
		this.url = `stub://127.0.0.1:${port}`;
	}

	protected override async prepare({ further }: Ports): Promise<Launch> {
		this.starts += 1;
		return { program: process.execPath, args: ['-e', this.script, String(this.port), String(further)] };
	}

	protected override isReady(): Promise<boolean> {
		return isListening(this.port);
	}

	protected override async cleanUp(): Promise<void> {
		this.cleaned += 1;
	}
}

let root: string;
let port: number;
let stub: Stub;
const all: Stub[] = [];

function local(name = 'one', at = port): Stub {
	const made = new Stub(join(root, name), at);
	all.push(made);
	return made;
}

const furtherPort = async (): Promise<number> =>
	JSON.parse(await readFile(join(root, 'one/ports.json'), 'utf8')).further;

beforeEach(async () => {
	root = await mkdtemp(join(tmpdir(), 'pp-local-'));
	port = await freePort();
	stub = local();
});

afterEach(async () => {
	for (const each of all.splice(0)) await each.kill();
	await rm(root, { recursive: true, force: true });
});

it('takes over the process that runs on its folder, and leaves one on another port alone', async () => {
	await stub.up();
	const pid = await stub.pid();
	const other = local();
	await other.up();
	expect([await other.pid(), other.starts]).toEqual([pid, 0]);
	await expect(local('one', port + 1).up()).rejects.toThrow(`runs on port ${port} already`);
	await expect(stub.wipe()).rejects.toThrow(/runs: its data stays/);
	expect(isAlive(pid ?? 0)).toBe(true);
});

it.each(['down', 'kill'] as const)('%s ends all that it started, and is safe to repeat', async (end) => {
	stub.script = PARENT;
	await stub.up();
	const pid = (await stub.pid()) ?? 0;
	const family = await until(() => {
		const found = familyOf(pid);
		return found.length > 0 ? [pid, ...found] : undefined;
	});
	await stub[end]();
	await until(() => !family.some(isAlive));
	await stub[end]();
	expect(stub.cleaned).toBe(2);
	await stub.wipe();
	expect(await readdir(root)).toEqual([]);
});

it('starts again after a kill -9 from outside, on the further port of before unless that is taken', async () => {
	await stub.up();
	const further = await furtherPort();
	await stub.kill();
	await stub.up();
	expect(await furtherPort()).toBe(further);
	await stub.kill();
	const taken = await freePort();
	await local('two', taken).up();
	await writeFile(join(root, 'one/ports.json'), JSON.stringify({ further: taken }));
	await stub.up();
	expect(await furtherPort()).not.toBe(taken);
	signalTo((await stub.pid()) ?? 0, 'SIGKILL');
	await until(async () => (await stub.pid()) === undefined);
	await stub.up();
	expect(await isListening(port)).toBe(true);
});

it('tries thrice what ends by itself, and shows the last errors of its output', async () => {
	stub.script = `console.log('all is well'); console.error('ERROR: no memory'); process.exit(1)`;
	await expect(stub.up()).rejects.toThrow(
		/^Stub does not stay up; see \S+one\/output\.log\nERROR: no memory\nERROR: no memory\nERROR: no memory$/,
	);
	expect(stub.starts).toBe(3);
});
