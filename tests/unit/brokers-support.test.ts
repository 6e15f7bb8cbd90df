import { describe, expect, it } from '@jest/globals';
import { requiredBrokers } from '../support/brokers.ts';

describe('REQUIRE_BROKERS', () => {
	it('names what may not be skipped', () => {
		expect(requiredBrokers('')).toEqual(new Set());
		expect(requiredBrokers('amqp, kafka,,redis')).toEqual(new Set(['amqp', 'kafka', 'redis']));
	});

	it('names brokers only', () => {
		expect(() => requiredBrokers('redis,rabbit')).toThrow(/rabbit is none of amqp, kafka, redis/);
	});
});
