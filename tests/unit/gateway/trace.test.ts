import { describe, expect, it } from '@jest/globals';
import { problemType } from '../../../mixins/http/problem-codes.ts';
import { traceOf } from '../../../mixins/http/trace.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';

describe('traceparent', () => {
	it.each([
		[`00-${TRACE}-${SPAN}-01`, '01'],
		[`00-${TRACE}-${SPAN}-00`, '00'],
		[`00-${TRACE}-${SPAN}-ff`, '01'],
		[`cc-${TRACE}-${SPAN}-01-what-comes-later`, '01'],
	])('%s is joined', (header, flags) => {
		const { id, parent } = traceOf(header);
		expect(id).toBe(TRACE);
		expect(parent).toMatch(new RegExp(`^00-${TRACE}-[0-9a-f]{16}-${flags}$`));
		expect(parent).not.toContain(SPAN);
	});

	it.each([
		undefined,
		'',
		`00-${TRACE}-${SPAN}-01-more`,
		`00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`,
		`ff-${TRACE}-${SPAN}-01`,
		`cc-${TRACE}-${SPAN}-01.x`,
		`00-${TRACE.toUpperCase()}-${SPAN}-01`,
		`00-${'0'.repeat(32)}-${SPAN}-01`,
		`00-${TRACE}-${'0'.repeat(16)}-01`,
		`00-${TRACE}-${SPAN}-0`,
	])('%s begins a new one', (header) => {
		const { id, parent } = traceOf(header);
		expect(id).not.toBe(TRACE);
		expect(parent).toMatch(new RegExp(`^00-${id}-[0-9a-f]{16}-00$`));
	});

	it('gives a different id each time', () => {
		expect(new Set(Array.from({ length: 2_000 }, () => traceOf(undefined).id)).size).toBe(2_000);
	});
});

it.each([
	['Orders.WindowClosed', '/problems/orders.window-closed'],
	['Route.NotFound', '/problems/route.not-found'],
	['Idempotency.KeyReused', '/problems/idempotency.key-reused'],
])('%s has the type %s', (code, type) => {
	expect(problemType(code)).toBe(type);
});
