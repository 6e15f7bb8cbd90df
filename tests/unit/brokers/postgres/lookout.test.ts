/** Which of a consumer's loops looks for messages, and when. */
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Lookout } from '../../../../mixins/brokers/postgres/lookout.ts';
import { Loop } from '../../../../mixins/runtime/loop.ts';
import { memoryLog } from '../../../support/database.ts';

const MOST = 1_000;

/** A loop that is not started; how often it was woken. */
class Watched extends Loop {
	woken = 0;

	constructor(name: string) {
		super(name, memoryLog(), async () => MOST);
	}

	override wake(): void {
		this.woken += 1;
	}
}

let lookout: Lookout;
let loops: [Watched, Watched, Watched];

beforeEach(() => {
	jest.useFakeTimers();
	lookout = new Lookout();
	loops = [new Watched('a'), new Watched('b'), new Watched('c')];
	for (const loop of loops) lookout.add(loop);
});
afterEach(() => {
	jest.useRealTimers();
});

const waits = (): number[] => loops.map((loop) => lookout.wait(loop, MOST));

describe('one loop looks', () => {
	it('and the others wait as long as they may', () => {
		expect(waits()).toEqual([0, MOST, MOST]);
	});

	it('and waits for the next message, of which its look has told', () => {
		waits();
		lookout.look(loops[0])(300);
		expect(waits()).toEqual([300, MOST, MOST]);
		jest.advanceTimersByTime(299);
		expect(waits()).toEqual([1, MOST, MOST]);
		jest.advanceTimersByTime(1);
		expect(waits()).toEqual([0, MOST, MOST]);
	});

	it('and expects nothing if its look has told of no message, until it is woken', () => {
		waits();
		expect(lookout.expects).toBe(true);
		lookout.look(loops[0])(300, false);
		expect([lookout.expects, waits()]).toEqual([false, [300, MOST, MOST]]);
		lookout.wake();
		expect(lookout.expects).toBe(true);
		lookout.look(loops[0])(300, false);
		const looked = lookout.look(loops[0]);
		lookout.wake();
		looked(300, false);
		expect(lookout.expects).toBe(true);
		lookout.look(loops[0])(300, true);
		expect(lookout.expects).toBe(true);
	});

	it('at once if it was woken, also during its look', () => {
		waits();
		const looked = lookout.look(loops[0]);
		lookout.wake();
		looked(300);
		expect(loops.map(({ woken }) => woken)).toEqual([1, 0, 0]);
		expect(waits()).toEqual([0, MOST, MOST]);
	});
});

describe('while it handles what it has found', () => {
	beforeEach(() => {
		waits();
		lookout.look(loops[0])(300);
		lookout.handles(loops[0]);
	});

	it('another waits for the next message, without a look of its own', () => {
		expect(loops.map(({ woken }) => woken)).toEqual([0, 1, 0]);
		expect(lookout.wait(loops[1], MOST)).toBe(300);
		expect(lookout.wait(loops[2], MOST)).toBe(MOST);
		lookout.wake();
		expect(loops.map(({ woken }) => woken)).toEqual([0, 2, 0]);
		expect(lookout.wait(loops[1], MOST)).toBe(0);
	});

	it('a third takes over when that one handles as well; who is through waits', () => {
		lookout.wait(loops[1], MOST);
		lookout.look(loops[1])(200);
		lookout.handles(loops[1]);
		expect(loops.map(({ woken }) => woken)).toEqual([0, 1, 1]);
		expect(lookout.wait(loops[2], MOST)).toBe(200);
		expect(lookout.wait(loops[0], MOST)).toBe(MOST);
	});

	it('a wake-up that finds all at work is kept for the first that is through', () => {
		for (const loop of [loops[1], loops[2]]) {
			lookout.wait(loop, MOST);
			lookout.look(loop)(200);
			lookout.handles(loop);
		}
		lookout.wake();
		expect(lookout.wait(loops[1], MOST)).toBe(0);
		expect(lookout.wait(loops[0], MOST)).toBe(MOST);
	});

	it('another looks after it has ended', () => {
		lookout.wait(loops[1], MOST);
		lookout.delete(loops[1]);
		expect(lookout.wait(loops[2], MOST)).toBe(300);
	});
});

it('a look that hangs holds up the others for 200 ms, and counts no more when it ends', () => {
	waits();
	const looked = lookout.look(loops[0]);
	jest.advanceTimersByTime(200);
	expect(lookout.wait(loops[1], MOST)).toBe(MOST);
	jest.advanceTimersByTime(1);
	expect(lookout.wait(loops[1], MOST)).toBe(0);
	lookout.look(loops[1])(50);
	looked(900);
	expect(lookout.wait(loops[1], MOST)).toBe(50);
});
