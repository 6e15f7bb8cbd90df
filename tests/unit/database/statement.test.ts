import { describe, expect, it } from '@jest/globals';
import { together } from '../../../mixins/database/statement.ts';

const insert = { name: 'insert', text: 'INSERT INTO a SELECT * FROM unnest($1::int[], $2::int[])', values: [[1], [2]] };
const update = { name: 'update', text: 'UPDATE b SET c = $2 WHERE d = $1', values: ['d', 'c'] };

describe('statements together', () => {
	it('leave one alone as it is', () => {
		expect(together([insert])).toBe(insert);
	});

	it('keep their parameters apart', () => {
		const { text, values } = together([insert, update]);
		expect(text).toBe(
			`WITH part_0 AS (INSERT INTO a SELECT * FROM unnest($1::int[], $2::int[]))\nUPDATE b SET c = $4 WHERE d = $3`,
		);
		expect(values).toEqual([[1], [2], 'd', 'c']);
	});

	it('have one name for one text', () => {
		const { name } = together([insert, update]);
		expect(together([insert, { ...update, values: ['x', 'y'] }]).name).toBe(name);
		expect(together([update, insert]).name).not.toBe(name);
		expect(name.length).toBeLessThan(64); // PostgreSQL's longest
	});

	it('do not write the same rows twice', () => {
		expect(() => together([update, update])).toThrow('update,update');
	});
});
