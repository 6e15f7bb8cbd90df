import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { type Channel, connect } from 'amqplib';
import { freePort, isFree } from '../../../bin/brokers/ports.ts';
import { isAlive } from '../../../bin/brokers/processes.ts';
import { LocalRabbitMq, rabbitmq } from '../../../bin/brokers/rabbitmq.ts';
import { describeBroker } from '../../support/brokers.ts';
import { PATIENCE } from '../../support/until.ts';

jest.setTimeout(3 * PATIENCE);

await describeBroker(rabbitmq, 'a RabbitMQ of our own', () => {
	let root: string;
	const brokers: LocalRabbitMq[] = [];

	beforeEach(async () => {
		root = await mkdtemp(join(tmpdir(), 'pp-rabbitmq-'));
	});
	afterEach(async () => {
		for (const broker of brokers.splice(0)) await broker.kill();
		await rm(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
	});

	function local(name: string, port: number): LocalRabbitMq {
		const broker = new LocalRabbitMq({ folder: join(root, name), port });
		brokers.push(broker);
		return broker;
	}

	const pidOf = async (name: string): Promise<number> => Number(await readFile(join(root, name, 'pid'), 'utf8'));

	async function on<T>(broker: LocalRabbitMq, work: (channel: Channel) => Promise<T>): Promise<T> {
		const connection = await connect(broker.url);
		try {
			const channel = await connection.createChannel();
			channel.on('error', () => {}); // what is under way on it throws
			return await work(channel);
		} finally {
			await connection.close();
		}
	}

	it('starts, is taken over, goes away in good order, comes back with its data, and is wiped', async () => {
		const port = await freePort();
		const broker = local('one', port);
		await broker.down(); // there is nothing yet
		await broker.up();
		const pid = await pidOf('one');
		await on(broker, (channel) => channel.assertQueue('kept', { durable: true }));
		await Promise.all([broker.up(), local('one', port).up()]);
		expect(await pidOf('one')).toBe(pid);
		await expect(broker.wipe()).rejects.toThrow(/runs/);

		await local('one', port).down();
		await broker.down();
		expect(isAlive(pid)).toBe(false);
		const { epmd, distribution } = JSON.parse(await readFile(join(root, 'one/ports.json'), 'utf8'));
		expect(await Promise.all([port, epmd, distribution].map(isFree))).toEqual([true, true, true]);

		await broker.up();
		await on(broker, (channel) => channel.checkQueue('kept'));
		await broker.kill();
		await broker.kill();
		expect(isAlive(await pidOf('one'))).toBe(false);
		await broker.up();
		await on(broker, (channel) => channel.checkQueue('kept'));
		await broker.kill();
		await broker.wipe();
		expect(await readdir(root)).toEqual([]);
	});

	it('runs beside others, each on its own', async () => {
		const [first, second] = [local('one', await freePort()), local('two', await freePort())];
		await Promise.all([first.up(), second.up()]);
		await on(first, (channel) => channel.assertQueue('only-here'));
		await expect(on(second, (channel) => channel.checkQueue('only-here'))).rejects.toThrow(/NOT_FOUND/);
		await second.kill();
		await on(first, (channel) => channel.checkQueue('only-here'));
		expect(await first.evaluate('io:format("~w", [node()])')).toBe('broker@localhost');
		await expect(first.evaluate('erlang:error(oops)')).rejects.toThrow(/oops/);
	});

	it('says so where its port belongs to somebody else', async () => {
		const port = await freePort();
		const other = createServer().listen(port, '127.0.0.1');
		await new Promise((listening) => other.once('listening', listening));
		await expect(local('one', port).up()).rejects.toThrow(`port ${port} on 127.0.0.1 is taken by another program`);
		await new Promise((closed) => other.close(closed));
	});
});
