import { expect, it } from '@jest/globals';
import { AmqpTransporter } from '../../../../mixins/brokers/rabbitmq/transporter.ts';
import { LONGEST_CONNECT } from '../../../../mixins/brokers/transporter-options.ts';

it('takes no harm when a channel ends before its prefetch is answered, which Moleculer does not wait for', async () => {
	const transporter = new AmqpTransporter('amqp://127.0.0.1', LONGEST_CONNECT);
	expect(transporter.connection).toBeNull();
	const channel = { prefetch: (_: number): Promise<unknown> => Promise.reject(new Error('Channel ended')) };
	const connection = { createChannel: async () => channel, close: async () => {} };
	transporter.connection = connection as unknown as NonNullable<AmqpTransporter['connection']>;
	const created = await transporter.connection?.createChannel();
	expect(created).toBe(channel);
	expect(await created?.prefetch(20)).toBeUndefined();
	transporter.connection = null;
	expect(transporter.connection).toBeNull();
});
