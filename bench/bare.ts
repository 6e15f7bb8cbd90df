import { randomUUID } from 'node:crypto';
import { connect } from 'amqplib';
import { Redis } from 'ioredis';
import { Kafka, logLevel } from 'kafkajs';
import type { BrokerKind } from '../bin/brokers/local-broker.ts';
import type { CarrierMessage } from '../mixins/brokers/carrier.ts';
import { fresh, toRecord } from '../mixins/brokers/kafka/records.ts';
import { toPacket } from '../mixins/brokers/rabbitmq/message.ts';
import { encode } from '../mixins/brokers/redis/message.ts';

/**
 * Publishes a batch with the client alone and resolves when the broker has confirmed it: the same messages as ours, to
 * one queue, stream or topic, without a delay.
 */
export interface BareClient {
	publish(messages: readonly CarrierMessage[]): Promise<void>;
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
			publish: async (messages) => {
				for (const message of messages) {
					const { content, options } = toPacket(message, 0);
					channel.sendToQueue(queue, content, { ...options, persistent: true, mandatory: true });
				}
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
			publish: async (messages) => {
				const pipeline = client.pipeline();
				for (const message of messages) pipeline.xadd(stream, '*', 'body', encode({ ...message, attempts: 0 }));
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
			publish: async (messages) => {
				const records = messages.map((message) => toRecord(fresh(message, null)));
				await producer.sendBatch({ acks: -1, topicMessages: [{ topic, messages: records }] });
			},
			close: async () => {
				await producer.disconnect();
				await admin.deleteTopics({ topics: [topic] });
				await admin.disconnect();
			},
		};
	},
};
