import { describe, expect, it } from '@jest/globals';
import { ServiceBroker } from 'moleculer';
import { compile, type Fault } from '../../../mixins/validation/json-schema.ts';
import { SchemaValidator } from '../../../mixins/validation/schema-validator.ts';
import { CREATE_PARAMS, GET_PARAMS, ID_PARAMS, LIST_PARAMS } from '../../../services/orders/params.ts';

const TEA = { productName: 'Tea', amount: '1' };
const faults = (check: (value: unknown) => true | Fault[], value: unknown): unknown => {
	const result = check(value);
	return result === true ? true : result.map(({ field, message }) => [field, message]);
};

describe('an order', () => {
	const check = compile(CREATE_PARAMS);

	it.each<[string, object]>([
		['the least', TEA],
		['an amount as a number', { ...TEA, amount: 1.5 }],
		['the longest name, counted in characters', { ...TEA, productName: '🫖'.repeat(255) }],
		['the longest name, white space aside', { ...TEA, productName: ` ${'x'.repeat(255)}\t\n` }],
		[
			'everything',
			{ ...TEA, currency: 'KWD', cancellationWindow: '1.5h', paymentMethod: 'card_flaky', idempotencyKey: '!~' },
		],
		['the shortest window', { ...TEA, cancellationWindow: '1000ms' }],
		['the longest window', { ...TEA, cancellationWindow: '7d' }],
	])('takes %s', (_name, value) => {
		expect(faults(check, value)).toBe(true);
	});

	it.each<[object, [string, string][]]>([
		[
			{},
			[
				['productName', 'Is missing.'],
				['amount', 'Is missing.'],
			],
		],
		[{ ...TEA, productName: 7 }, [['productName', 'Must be a string.']]],
		[{ ...TEA, productName: ' \u00a0\ufeff ' }, [['productName', 'Must not be empty.']]],
		[{ ...TEA, productName: 'x'.repeat(256) }, [['productName', 'Must have at most 255 characters.']]],
		[
			{ ...TEA, productName: 'a\u0085b' },
			[['productName', 'Has characters, or an order of them, that are not accepted.']],
		],
		[{ ...TEA, productName: 'a\ud800' }, [['productName', 'Must be well-formed Unicode.']]],
		[{ ...TEA, amount: true }, [['amount', 'Must be a string or a number.']]],
		[{ ...TEA, currency: 'usd' }, [['currency', expect.any(String) as never]]],
		[
			{ ...TEA, cancellationWindow: '999ms' },
			[['cancellationWindow', expect.stringContaining('from 1s to 7d') as never]],
		],
		[{ ...TEA, cancellationWindow: '10' }, [['cancellationWindow', expect.any(String) as never]]],
		[{ ...TEA, paymentMethod: '' }, [['paymentMethod', 'Must not be empty.']]],
		[{ ...TEA, idempotencyKey: 'a b' }, [['idempotencyKey', expect.any(String) as never]]],
		[
			{ ...TEA, owner: 'me', toString: 1 },
			[
				['owner', 'Unknown field.'],
				['toString', 'Unknown field.'],
			],
		],
		[JSON.parse('{"productName":"x","amount":"1","__proto__":1}'), [['__proto__', 'Unknown field.']]],
	])('refuses %j', (value, expected) => {
		expect(faults(check, value)).toEqual(expected);
	});

	it('trims the name, and nothing else', () => {
		const value = { ...TEA, productName: '\t Tea time ', paymentMethod: ' card ' };
		expect(check(value)).toBe(true);
		expect(value).toMatchObject({ productName: 'Tea time', paymentMethod: ' card ' });
	});

	it('takes no longer for a long text than for a short one', () => {
		const begin = performance.now();
		for (const text of [' '.repeat(16_000), `${'a '.repeat(8_000)}\u0001`, '1'.repeat(16_000)]) {
			expect(check({ ...TEA, productName: text, cancellationWindow: text, idempotencyKey: text })).not.toBe(true);
		}
		expect(performance.now() - begin).toBeLessThan(1_000);
	});
});

it('a list has a page size unless one is given', () => {
	const check = compile(LIST_PARAMS);
	const value = { status: 'Pending' };
	expect(check(value)).toBe(true);
	expect(value).toEqual({ status: 'Pending', limit: 20 });
	expect(faults(check, { limit: '20' })).toEqual([['limit', 'Must be an integer.']]);
	expect(faults(check, { limit: 0 })).toEqual([['limit', 'Must be at least 1.']]);
	expect(faults(check, { limit: 101 })).toEqual([['limit', 'Must be at most 100.']]);
	expect(faults(check, { cursor: 'x'.repeat(48) })).toEqual([['cursor', expect.stringContaining('cursor')]]);
	expect(faults(check, { status: 'pending' })).toEqual([['status', expect.stringContaining('Pending, OnHold')]]);
});

it('an id is a UUID, and a wait has an end', () => {
	const id = '0198c0de-0000-7000-8000-000000000001';
	expect(faults(compile(ID_PARAMS), { id: id.toUpperCase() })).toEqual([['id', 'Must be a UUID in lower case.']]);
	expect(faults(compile(GET_PARAMS), { id, wait: 30, known: ['*'] })).toBe(true);
	expect(faults(compile(GET_PARAMS), { id, wait: 31, known: [1] })).toEqual([
		['known', 'Must be a string.'],
		['wait', 'Must be at most 30.'],
	]);
});

it('a schema that is none is refused at its first use', () => {
	expect(() => compile({ type: 'text' as never })('')).toThrow(/schema is invalid/);
	expect(() => compile({ type: 'string', format: 'unknown' })('')).toThrow(/unknown format/);
});

it("Moleculer's own schemas go on working beside it", async () => {
	const broker = new ServiceBroker({ logger: false, validator: new SchemaValidator() });
	broker.createService({
		name: 'both',
		actions: {
			old: { params: { type: 'string', properties: 'object|optional' }, handler: ({ params }) => params },
			new: { params: LIST_PARAMS, handler: ({ params }) => params },
		},
	});
	await broker.start();
	expect(await broker.call('both.old', { type: 'x' })).toEqual({ type: 'x' });
	await expect(broker.call('both.old', { type: 1 })).rejects.toMatchObject({ code: 422, type: 'VALIDATION_ERROR' });
	expect(await broker.call('both.new', {})).toEqual({ limit: 20 });
	await expect(broker.call('both.new', { limit: 0, x: 1 })).rejects.toMatchObject({
		code: 422,
		type: 'VALIDATION_ERROR',
		data: [
			{ field: 'x', action: 'both.new' },
			{ field: 'limit', message: 'Must be at least 1.' },
		],
	});
	await broker.stop();
});
