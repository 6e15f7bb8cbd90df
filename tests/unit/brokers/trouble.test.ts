import { describe, expect, it } from '@jest/globals';
import { brokerReason, brokerRefusal, brokerTrouble } from '../../../mixins/brokers/trouble.ts';

const coded = (code: string, message = code): Error => Object.assign(new Error(message), { code });

describe('why a broker cannot be used', () => {
	it.each<[unknown, string]>([
		[coded('ECONNREFUSED', 'connect ECONNREFUSED 10.0.0.1:5672'), 'the broker cannot be reached'],
		[coded('ENOTFOUND', 'getaddrinfo ENOTFOUND mq.example'), 'the broker cannot be reached'],
		[new Error(''), 'the broker cannot be reached'],
		[undefined, 'the broker cannot be reached'],
		[
			new Error('Handshake terminated by server: 403 (ACCESS-REFUSED) with message "…"'),
			'the broker refuses the login',
		],
		[new Error('WRONGPASS invalid username-password pair or user is disabled.'), 'the broker refuses the login'],
		[new Error('NOAUTH Authentication required.'), 'the broker refuses the login'],
		[new AggregateError([new Error('no'), new Error('SASL authentication failed.')]), 'the broker refuses the login'],
		[coded('DEPTH_ZERO_SELF_SIGNED_CERT', 'self-signed certificate'), 'the certificate of the broker is not trusted'],
		[
			new Error('Cannot connect', {
				cause: new AggregateError([coded('UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'unable to verify')]),
			}),
			'the certificate of the broker is not trusted',
		],
	])('%s: %s', (error, sentence) => expect(brokerTrouble(error)).toBe(sentence));

	it.each<[string, unknown, string]>([
		[
			'RabbitMQ, a queue',
			coded(
				'403',
				`Operation failed: QueueDeclare; 403 (ACCESS-REFUSED) with message "ACCESS_REFUSED - access to queue 'a' in vhost '/' refused for user 'shop'"`,
			),
			"a right is missing on the broker: ACCESS_REFUSED - access to queue 'a' in vhost '/' refused",
		],
		[
			'RabbitMQ 4, an exchange',
			new Error(
				`Channel closed by server: 403 (ACCESS-REFUSED) with message "ACCESS_REFUSED - write access to exchange 'a' in vhost 'b' refused for user 'shop'"`,
			),
			"a right is missing on the broker: ACCESS_REFUSED - write access to exchange 'a' in vhost 'b' refused",
		],
		[
			'Redis 7.2, a command',
			new Error("NOPERM User shop has no permissions to run the 'info' command"),
			"a right is missing on the broker: NOPERM this user has no permissions to run the 'info' command",
		],
		[
			'Redis, in a script',
			new Error(
				"ERR The user executing the script can't run this command or subcommand script: 3f19b8e8b1e6a3a1f3e8ff4bd7c1b0f9a5d6e7c8, on @user_script:1.",
			),
			"a right is missing on the broker: ERR The user executing the script can't run this command or subcommand",
		],
		[
			'Kafka',
			new Error('retried', {
				cause: Object.assign(new Error('Not authorized to access topics'), {
					type: 'TOPIC_AUTHORIZATION_FAILED',
					code: 29,
				}),
			}),
			'a right is missing on the broker: TOPIC_AUTHORIZATION_FAILED Not authorized to access topics',
		],
		[
			'Kafka, without its name',
			new Error('Not authorized to access group: Group authorization failed'),
			'a right is missing on the broker: GROUP_AUTHORIZATION_FAILED Not authorized to access group: Group authorization failed',
		],
		[
			'Kafka, several errors in one, none of them an AggregateError',
			Object.assign(new Error('failed'), {
				errors: [Object.assign(new Error('no'), { apiId: 'GROUP_AUTHORIZATION_FAILED' })],
			}),
			'a right is missing on the broker: GROUP_AUTHORIZATION_FAILED no',
		],
		[
			'Redis is full',
			new Error(
				"OOM command not allowed when used memory > 'maxmemory'. script: 3f19b8e8b1e6a3a1f3e8ff4bd7c1b0f9a5d6e7c8, on @user_script:17.",
			),
			"the broker takes no messages: OOM command not allowed when used memory > 'maxmemory'.",
		],
		[
			'too few replicas',
			new Error('NOREPLICAS Not enough good replicas to write.'),
			'the broker takes no messages: NOREPLICAS Not enough good replicas to write.',
		],
		[
			'Kafka has a full disk',
			Object.assign(new Error('Disk error when trying to access log file on the disk'), {
				type: 'KAFKA_STORAGE_ERROR',
			}),
			'the broker takes no messages: KAFKA_STORAGE_ERROR Disk error when trying to access log file on the disk',
		],
	])('%s: refused in the words of the server, which name no user', (_, error, sentence) => {
		expect(brokerRefusal(error)).toBe(sentence);
		expect(brokerTrouble(error)).toBe(sentence);
	});

	it('is no refusal where it was not reached, or not entered', () => {
		for (const error of [
			coded('ECONNREFUSED'),
			new Error('NOAUTH Authentication required.'),
			coded('CERT_HAS_EXPIRED'),
			undefined,
		])
			expect(brokerRefusal(error)).toBeUndefined();
	});

	it('is told to the operator as the innermost reason, on one line', () => {
		const wrapped = new Error('outer', { cause: new AggregateError([coded('ECONNREFUSED', 'connect\nECONNREFUSED')]) });
		expect(brokerReason(wrapped)).toBe('connect ECONNREFUSED');
		expect(brokerReason(coded('EPIPE', ''))).toBe('EPIPE');
		expect(brokerReason(undefined)).toBe('undefined');
	});
});
