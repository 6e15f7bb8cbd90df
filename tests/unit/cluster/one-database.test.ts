import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { ServiceBroker } from 'moleculer';
import { OneDatabase } from '../../../mixins/cluster/one-database.ts';
import { type MemoryLog, memoryLog } from '../../support/database.ts';

interface Hooks {
	created(broker: ServiceBroker): void;
	transitPublish(next: (packet: object) => Promise<unknown>): (packet: object) => Promise<unknown>;
	transitMessageHandler(next: () => Promise<boolean>): (command: string, packet: object) => Promise<boolean>;
}

interface Process {
	/** the server of its database */
	server: string | undefined;
	readonly log: MemoryLog;
	readonly unwelcome: string[];
	readonly database: OneDatabase;
	/** whether this process takes what another one sends it now */
	hears(other: Process, command: string): Promise<boolean>;
	sends(command: string): Promise<object>;
}

function start(server: string): Process {
	const broker = new ServiceBroker({ namespace: 'system', logger: false, skipProcessEventRegistration: true });
	const log = memoryLog();
	const unwelcome: string[] = [];
	const onUnwelcome = (why: string): void => void unwelcome.push(why);
	const database: OneDatabase = new OneDatabase({ server: () => self.server, log, onUnwelcome });
	const hooks = database.middleware as unknown as Hooks;
	hooks.created(broker);
	broker.localBus.emit('$transporter.connected');
	const receive = hooks.transitMessageHandler(async () => true);
	const publish = hooks.transitPublish(async (packet) => packet);
	const self: Process = {
		...{ server, log, unwelcome, database },
		hears: async (other, command) => receive(command, await other.sends(command)),
		sends: async (type) => (await publish({ type, payload: {} })) as object,
	};
	return self;
}

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const WHY = 'a copy of this database is in use on the same broker under the same name, system';

it('lets processes with one database hear each other', async () => {
	const [one, two] = [start('a'), start('a')];
	for (const command of ['INFO', 'HEARTBEAT', 'REQ', 'RES', 'DISCONNECT'])
		expect(await one.hears(two, command)).toBe(true);
	expect(one.database.trouble).toBeUndefined();
});

it('takes neither news nor requests of a process with a copy, and ends the one that came later', async () => {
	const original = start('a');
	jest.advanceTimersByTime(5_000);
	const copy = start('b');
	for (const command of ['INFO', 'HEARTBEAT', 'REQ', 'DISCONNECT']) {
		expect(await original.hears(copy, command)).toBe(false);
		expect(await copy.hears(original, command)).toBe(false);
	}
	expect(new Set(copy.unwelcome)).toEqual(new Set([WHY]));
	expect(original.unwelcome).toEqual([]);
	expect(original.database.trouble).toBeUndefined();
});

it('lets neither of two work that go on side by side, and both again when one has gone', async () => {
	const [one, two] = [start('a'), start('b')];
	for (let second = 0; second < 14; second += 2) {
		await one.hears(two, 'HEARTBEAT');
		await two.hears(one, 'HEARTBEAT');
		jest.advanceTimersByTime(2_000);
	}
	expect([one.database.trouble, two.database.trouble]).toEqual([WHY, WHY]);
	expect(one.log.lines).toEqual([`warn waiting: ${WHY}`]);
	expect(one.unwelcome).toEqual([]);
	jest.advanceTimersByTime(10_000);
	expect(one.database.trouble).toBeUndefined();
	await one.hears(start('a'), 'HEARTBEAT');
	expect(one.log.lines.at(-1)).toBe('info the copy of this database has gone');
});

it('bears that some have found the standby and some not yet, or no server at all', async () => {
	const [one, two] = [start('a'), start('a')];
	jest.advanceTimersByTime(60_000);
	one.server = 'standby';
	for (let second = 0; second < 8; second += 2) {
		await one.hears(two, 'HEARTBEAT');
		jest.advanceTimersByTime(2_000);
	}
	two.server = undefined;
	expect(await one.hears(two, 'HEARTBEAT')).toBe(true);
	expect(await two.hears(one, 'REQ')).toBe(true);
	two.server = 'standby';
	expect(await one.hears(two, 'REQ')).toBe(true);
	expect([...one.unwelcome, ...two.unwelcome, one.database.trouble]).toEqual([undefined]);
});
