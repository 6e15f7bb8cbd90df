import { expect, it } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import { newSecret, signedHeaders } from '../../../services/webhooks/signing.ts';

const message = () => ({ id: '01a204ea-7a9f-7000-8000-055e7c1d9a01', body: '{"data":{"å":1}}', at: Date.now() });

it('a secret has its prefix and more than 24 random bytes', () => {
	const secret = newSecret();
	expect(Buffer.from(secret.replace(/^whsec_/, ''), 'base64')).toHaveLength(32);
	expect(newSecret()).not.toBe(secret);
});

it('each secret verifies what all of them sign, and no other does', () => {
	const [old, fresh, strange] = [newSecret(), newSecret(), newSecret()];
	const sent = message();
	const headers = { ...signedHeaders(sent, [fresh, old]) };
	expect(headers['webhook-signature']).toMatch(/^v1,\S+ v1,\S+$/);
	for (const secret of [old, fresh]) expect(new Webhook(secret).verify(sent.body, headers)).toEqual({ data: { å: 1 } });
	expect(() => new Webhook(strange).verify(sent.body, headers)).toThrow('No matching signature');
	expect(() => new Webhook(fresh).verify(`${sent.body} `, headers)).toThrow('No matching signature');
	expect(() => new Webhook(fresh).verify(sent.body, { ...headers, 'webhook-id': 'other' })).toThrow('No matching');
});

it('the time is in seconds, of the moment that it was signed at', () => {
	expect(signedHeaders({ ...message(), at: 1_769_890_805_999 }, [newSecret()])['webhook-timestamp']).toBe('1769890805');
});
