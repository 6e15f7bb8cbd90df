import { once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { Calls, type Done, stamp } from '../../../mixins/calls/calls.ts';
import type { Log } from '../../../mixins/runtime/log.ts';
import { until } from '../../support/until.ts';

const log: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

type Outcome = 'done' | { readonly unknown: string };

function callsOf(
	perform: (call: string, isInTime: () => boolean, signal: AbortSignal) => Promise<Outcome>,
	store: (done: readonly Done<string, Outcome>[]) => (string | null)[],
) {
	const stored: Done<string, Outcome>[] = [];
	const calls = new Calls<string, Outcome>({
		slots: 2,
		timeout: 1_000,
		perform,
		unknown: (unknown) => ({ unknown }),
		store: async (done) => {
			stored.push(...done);
			return store(done);
		},
		log,
	});
	return { calls, stored };
}

describe('a call whose intent is stored', () => {
	it('is made, its outcome is stored, and its slot is free again', async () => {
		const { calls, stored } = callsOf(
			async () => 'done',
			() => [null],
		);
		expect(await calls.slots.acquire(1)).toBe(1);
		calls.start('a', stamp());
		await calls.idle(10_000);
		expect(stored).toEqual([{ call: 'a', outcome: 'done', cause: null }]);
		expect(calls.slots.tryAcquire(5)).toBe(2);
	});

	it('is not begun once others may repeat it: the process stood still after its commit', async () => {
		const made: string[] = [];
		const { calls, stored } = callsOf(
			async (call) => {
				made.push(call);
				return 'done';
			},
			(done) => done.map(() => null),
		);
		const { monotonic, wall } = stamp();
		await calls.slots.acquire(2);
		calls.start('starved', { monotonic: monotonic - 1_000, wall });
		calls.start('suspended', { monotonic, wall: wall - 1_000 });
		await calls.idle(10_000);
		expect(made).toEqual([]);
		expect(stored.map(({ outcome }) => outcome)).toEqual([
			{ unknown: 'not begun in time' },
			{ unknown: 'not begun in time' },
		]);
	});

	it('that throws has an unknown outcome', async () => {
		const { calls, stored } = callsOf(
			async () => {
				throw new Error('connection reset');
			},
			() => [null],
		);
		await calls.slots.acquire(1);
		calls.start('a', stamp());
		await calls.idle(10_000);
		expect(stored).toEqual([{ call: 'a', outcome: { unknown: 'connection reset' }, cause: null }]);
	});

	it('that gives no answer is given up when its time is over, counted from the intent, and its slot soon after', async () => {
		const { calls, stored } = callsOf(
			() => new Promise(() => {}),
			() => [null],
		);
		const { monotonic, wall } = stamp();
		await calls.slots.acquire(1);
		calls.start('a', { monotonic: monotonic - 900, wall: wall - 900 });
		await calls.idle(10_000);
		expect(stored).toEqual([{ call: 'a', outcome: { unknown: 'no answer in time' }, cause: null }]);
	});

	it('is aborted when its time is over, and has its slot until it has ended', async () => {
		const { promise: closed, resolve: close } = Promise.withResolvers<void>();
		let reason: unknown;
		const { calls, stored } = callsOf(
			async (_call, _isInTime, signal) => {
				await once(signal, 'abort');
				reason = signal.reason;
				await closed;
				throw new Error('closed');
			},
			() => [null],
		);
		const { monotonic, wall } = stamp();
		await calls.slots.acquire(1);
		calls.start('a', { monotonic: monotonic - 950, wall: wall - 950 });
		await until(() => stored.length === 1);
		expect(stored).toEqual([{ call: 'a', outcome: { unknown: 'no answer in time' }, cause: null }]);
		expect(reason).toMatchObject({ name: 'AbortError' });
		expect(calls.slots.tryAcquire(5)).toBe(1); // the other one
		calls.slots.release(1);
		close();
		await calls.slots.idle();
	});

	it('hands its slot on to the next call of the same order', async () => {
		const { calls, stored } = callsOf(
			async () => 'done',
			(done) => done.map(({ call }) => (call === 'authorize' ? 'capture' : null)),
		);
		await calls.slots.acquire(1);
		calls.start('authorize', stamp());
		await calls.idle(10_000);
		expect(stored.map(({ call }) => call)).toEqual(['authorize', 'capture']);
	});
});
