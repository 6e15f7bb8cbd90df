import { randomUUID } from 'node:crypto';
import { connect } from 'amqplib';
import { Redis } from 'ioredis';
import { Kafka, logLevel } from 'kafkajs';
import type { BrokerKind } from '../bin/brokers/local-broker.ts';

/** Publishes a batch with the client alone and resolves when the broker has confirmed it. */
export interface BareClient {
	publish(bodies: readonly string[]): Promise<void>;
	close(): Promise<void>;
}

/** As durable as our carriers are, without anything that they do beside it. */
export const BARE: Readonly<Record<BrokerKind['scheme'], (url: string) => Promise<BareClient>>> = {
	async amqp(url) {
		const connection = await connect(url);
		const channel = await connection.createConfirmChannel();
		const queue = `bare-${randomUUID()}`;
		await channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'quorum' } });
		return {
			publish: async (bodies) => {
				for (const body of bodies) channel.sendToQueue(queue, Buffer.from(body), { persistent: true, mandatory: true });
				await channel.waitForConfirms();
			},
			close: async () => {
				await channel.deleteQueue(queue);
				await connection.close();
			},
		};
	},
	async redis(url) {
		const client = new Redis(url);
		const stream = `bare-${randomUUID()}`;
		return {
			publish: async (bodies) => {
				const pipeline = client.pipeline();
				for (const body of bodies) pipeline.xadd(stream, '*', 'body', body);
				await pipeline.exec();
			},
			close: async () => {
				await client.del(stream);
				await client.quit();
			},
		};
	},
	async kafka(url) {
		const brokers = [url.replace('kafka://', '')];
		const kafka = new Kafka({ brokers, logLevel: logLevel.ERROR });
		const topic = `bare-${randomUUID()}`;
		const admin = kafka.admin();
		await admin.connect();
		await admin.createTopics({ topics: [{ topic, numPartitions: 6 }], waitForLeaders: true });
		const producer = kafka.producer({ idempotent: true });
		await producer.connect();
		return {
			publish: async (bodies) => {
				const messages = bodies.map((value) => ({ key: randomUUID(), value }));
				await producer.sendBatch({ acks: -1, topicMessages: [{ topic, messages }] });
			},
			close: async () => {
				await producer.disconnect();
				await admin.deleteTopics({ topics: [topic] });
				await admin.disconnect();
			},
		};
	},
};
