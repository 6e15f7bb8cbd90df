import { expect, it } from '@jest/globals';
import { jsonLine } from '../../../mixins/runtime/output.ts';

const ORDER = '01a22552-9747-72d2-bac9-95480a25fa7d';
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

it('a line has its time, its level, its text, and the order and the trace that the text names', () => {
	const line = jsonLine('warn', [`order ${ORDER} (${TRACE})\nis late`, { more: 1 }], { module: 'orders' });
	expect(line).not.toContain('\n');
	expect(JSON.parse(line)).toEqual({
		...{ time: expect.stringMatching(/^\d{4}-.*Z$/), level: 'warn', module: 'orders' },
		msg: `order ${ORDER} (${TRACE})\nis late { more: 1 }`,
		...{ orderId: ORDER, traceId: TRACE },
	});
});

it('an error has its stack in a field, and its message where there is no other', () => {
	const error = new TypeError('x is not a function');
	expect(JSON.parse(jsonLine('error', ['failed:', error]))).toMatchObject({ msg: 'failed:', stack: error.stack });
	expect(JSON.parse(jsonLine('error', [error]))).toMatchObject({ msg: 'x is not a function' });
});
