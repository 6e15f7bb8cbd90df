/** Moleculer's Kafka transporter, with what it lacks: errors that nobody hears would end the process. */
import { EventEmitter } from 'node:events';
import { Readable } from 'node:stream';
import { expect, it } from '@jest/globals';
import type { Consumer } from '@platformatic/kafka';
import { KafkaTransporter } from '../../../../mixins/brokers/kafka/transporter.ts';

class Watched extends KafkaTransporter {
	relinks = 0;

	override relink(): void {
		this.relinks += 1;
	}
}

const transporter = (): Watched =>
	new Watched({ kind: 'kafka', hosts: ['127.0.0.1:1'], tls: false, login: undefined } as never, 1_000);

/** As the client makes it: the stream looks for its offsets as soon as it is made, and that fails at once. */
class Closed extends EventEmitter {
	consume(_options: unknown, callback: (error: Error | null, stream?: Readable) => void): void {
		setImmediate(() => {
			const stream = new Readable({ read: () => {}, construct: (done) => done(new Error('Client is closed.')) });
			callback(null, stream);
		});
	}
}

it('a stream that fails before anybody has it is heard, and the connection is made anew', async () => {
	const under = transporter();
	const consumer = new Closed() as unknown as Consumer;
	under.consumer = consumer;
	const stream = (await consumer.consume({ topics: ['a'] })) as unknown as Readable;
	expect(stream.destroyed).toBe(true);
	expect(under.relinks).toBe(1);
});

it('one of a consumer that was replaced is heard, and harms nobody', async () => {
	const under = transporter();
	const consumer = new Closed() as unknown as Consumer;
	under.consumer = consumer;
	const consuming = consumer.consume({ topics: ['a'] });
	under.consumer = null;
	await consuming;
	expect(under.relinks).toBe(0);
});
