import { describe, expect, it } from '@jest/globals';
import { parseBehaviour, parseValue } from './tla-values.ts';
import { pack, toTrace, unpack } from './trace.ts';

describe('a value of TLA+', () => {
	it.each([
		['17', 17],
		['-3', -3],
		['TRUE', true],
		['"say \\"x\\""', 'say "x"'],
		['s1', 's1'],
		['{}', []],
		['<< >>', []],
		['{1, {2}, <<3, "a">>}', [1, [2], [3, 'a']]],
		['[st |-> "none", due |-> 0]', { st: 'none', due: 0 }],
		['( s1 :>\n   [op |-> "none"] @@\n  h1 :> FALSE )', { s1: { op: 'none' }, h1: false }],
		['<< [ mem |->\n   [ void |-> [at |-> 1] ] ] >>', [{ mem: { void: { at: 1 } } }]],
	])('is read from %j', (text, value) => {
		expect(parseValue(text)).toEqual(value);
	});

	it.each(['', '{1', '[a |-> ]', '1 2', '[a -> 1]', '<<1, >', '}'])('is not read from %j', (text) => {
		expect(() => parseValue(text)).toThrow(SyntaxError);
	});
});

const DUMP = `---------------- MODULE walk_0_0 -----------------
STATE_1 == 
/\\ act = [do |-> "Init", what |-> 0]
/\\ clock = 0
/\\ ord = <<[st |-> "Pending"]>>
/\\ net = {}
/\\ work = [s |-> [stage |-> "idle"]]
/\\ carrier = {}


STATE_2 == 
/\\ act = [do |-> "Wait", what |-> 0]
/\\ clock = 0
/\\ ord = <<[st |-> "Pending"]>>
/\\ net = {}
/\\ work = [s |-> [stage |-> "idle"]]
/\\ carrier = {}


STATE_3 == 
/\\ act = [do |-> "Create",
  what |-> "k"]
/\\ clock = 0
/\\ ord = <<[st |-> "Pending"]>>
/\\ net = {}
/\\ work = [s |-> [stage |-> "idle"]]
/\\ carrier = { [ type |-> "OrderDue",
    o |-> 1 ] }


STATE_4 == 
/\\ act = [do |-> "Tick", what |-> 0]
/\\ clock = 1
/\\ ord = <<[st |-> "Pending"]>>
/\\ net = {}
/\\ work = [s |-> [stage |-> "idle"]]
/\\ carrier = {[type |-> "OrderDue", o |-> 1]}

=================================================
`;

describe('a trace', () => {
	const trace = toTrace('one', 'messages', parseBehaviour(DUMP));

	it('is read from what TLC writes, without the steps in which nothing happens', () => {
		expect(trace.steps.map(({ name, what, state }) => [name, what, state.clock, state.carrier])).toEqual([
			['Init', 0, 0, []],
			['Create', 'k', 0, [{ type: 'OrderDue', o: 1 }]],
		]);
	});

	it('is the same after it was packed', () => {
		const file = { model: 'hash', madeBy: 'hand', traces: [trace] };
		expect(unpack(pack(file))).toEqual(JSON.parse(JSON.stringify(file)));
	});
});
