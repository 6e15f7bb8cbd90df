import { describe, expect, it } from '@jest/globals';
import { ProblemError } from '../../../mixins/http/problem.ts';
import { entityTags, waitOf } from '../../../services/gateway/http/conditions.ts';

describe('If-None-Match', () => {
	it.each([
		[undefined, undefined],
		['*', ['*']],
		[' * ', ['*']],
		['"a"', ['"a"']],
		['""', ['""']],
		['W/"a"', ['"a"']],
		['"a", W/"b" ,"c,d"', ['"a"', '"b"', '"c,d"']],
		[', ,"a",,\t"b",', ['"a"', '"b"']],
		['"!#é~"', ['"!#é~"']],
	])('%s is read', (header, tags) => {
		expect(entityTags(header)).toEqual(tags);
	});

	it.each(['', 'a', '"a', '"a" "b"', '"a"b', 'w/"a"', '*, "a"', '"a b"', ',', `"${'"'.repeat(9)}`])(
		'%s is refused',
		(header) => {
			expect(() => entityTags(header)).toThrow(ProblemError);
		},
	);
});

describe('Prefer', () => {
	it.each<[string | string[] | undefined, number | undefined]>([
		[undefined, undefined],
		['', undefined],
		['respond-async', undefined],
		['waiting=5', undefined],
		['foo="wait=5"', undefined],
		['foo="a, wait=5"', undefined],
		['foo="a\\", wait=5"', undefined],
		['wait=5', 5],
		['wait=0', 0],
		['wait=007', 7],
		['WAIT=5', 5],
		['wait="5"', 5],
		[' wait = 5 ; x=y ', 5],
		['respond-async, wait=5', 5],
		['wait=5, wait=6', 5],
		[['a', 'wait=5'], 5],
		['wait=31', 30],
		['wait=99999999999999999999999', 30],
	])('%j asks for %j', (header, wait) => {
		expect(waitOf(header)).toBe(wait);
	});

	it.each(['wait', 'wait=', 'wait=""', 'wait=-1', 'wait=1.5', 'wait=x', 'wait=0x10', 'wait=5 6', 'wait=x, wait=5'])(
		'%s is refused',
		(header) => {
			expect(() => waitOf(header)).toThrow(ProblemError);
		},
	);
});

it('takes no longer for a long header than for a short one', () => {
	const begin = performance.now();
	for (const text of [
		`"${'\\"'.repeat(8_000)}`,
		`wait=${' '.repeat(16_000)}"`,
		'"'.repeat(16_000),
		','.repeat(16_000),
	]) {
		for (const read of [entityTags, waitOf]) {
			try {
				read(text);
			} catch (error) {
				expect(error).toBeInstanceOf(ProblemError);
			}
		}
	}
	expect(performance.now() - begin).toBeLessThan(1_000);
});
