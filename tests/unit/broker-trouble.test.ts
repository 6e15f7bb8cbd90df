import { describe, expect, it } from '@jest/globals';
import { brokerReason, brokerTrouble } from '../../mixins/brokers/broker-trouble.ts';

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

	it('is told to the operator as the innermost reason, on one line', () => {
		const wrapped = new Error('outer', { cause: new AggregateError([coded('ECONNREFUSED', 'connect\nECONNREFUSED')]) });
		expect(brokerReason(wrapped)).toBe('connect ECONNREFUSED');
		expect(brokerReason(coded('EPIPE', ''))).toBe('EPIPE');
		expect(brokerReason(undefined)).toBe('undefined');
	});
});
