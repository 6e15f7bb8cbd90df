import { describe, expect, it } from '@jest/globals';
import { clusterId } from '../../../bin/brokers/kafka.ts';
import { requiredBrokers } from '../../support/brokers.ts';

describe('REQUIRE_BROKERS', () => {
	it('names what may not be skipped', () => {
		expect(requiredBrokers('')).toEqual(new Set());
		expect(requiredBrokers('amqp, kafka,,redis')).toEqual(new Set(['amqp', 'kafka', 'redis']));
	});

	it('names brokers only', () => {
		expect(() => requiredBrokers('redis,rabbit')).toThrow(/rabbit is none of amqp, kafka, redis/);
	});
});

it('a cluster of Kafka has an id that is no option', () => {
	const [dashed, plain] = [Buffer.alloc(16, 0xfb), Buffer.alloc(16, 7)];
	const drawn = [dashed, dashed, plain];
	expect(dashed.toString('base64url')).toMatch(/^-/);
	expect(clusterId(() => drawn.shift() ?? plain)).toBe(plain.toString('base64url'));
	expect(drawn).toEqual([]);
});
