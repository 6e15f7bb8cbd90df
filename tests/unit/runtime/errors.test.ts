import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from '@jest/globals';
import { discreet, tell } from '../../../mixins/runtime/errors.ts';
import { memoryLog } from '../../support/database.ts';
import { ROOT } from '../../support/process.ts';

it('a mistake of ours keeps its stack in the log, once for each place; other failures are one line', () => {
	const log = memoryLog();
	const mistaken = (): Error => new TypeError('x is not a function');
	for (let times = 0; times < 3; times += 1) tell(log, 'warn', 'an outcome was not stored', mistaken());
	tell(log, 'warn', 'an outcome was not stored', new Error('the database is away'));
	tell(log, 'debug', 'asked for keys', new TypeError('fetch failed', { cause: new Error('ECONNREFUSED') }));
	expect(log.lines).toEqual([
		'error an outcome was not stored: x is not a function',
		'warn an outcome was not stored: x is not a function',
		'warn an outcome was not stored: x is not a function',
		'warn an outcome was not stored: the database is away',
		'debug asked for keys: fetch failed',
	]);
	expect(log.errors).toEqual([expect.any(TypeError)]);
});

it.each([
	[new Error('connect to redis://user:pw@cache:6379/0 failed'), 'connect to … failed'],
	[new Error('no answer\n of 10.0.0.7:5432 or fe80::1:2'), 'no answer of … or …'],
	[
		new Error("cannot read /var/lib/data/x, access to exchange 'a' in vhost '/' refused"),
		"cannot read …, access to exchange 'a' in vhost '/' refused",
	],
	[Object.assign(new Error('getaddrinfo ENOTFOUND db.internal'), { errno: -3008, code: 'ENOTFOUND' }), 'ENOTFOUND'],
	['no error', 'no error'],
])('strangers are told %s as "%s"', (error, told) => expect(discreet(error)).toBe(told));

it.each(['Promise.reject(new Error("lost"))', 'setTimeout(() => { throw new Error("lost") })'])(
	'what nobody caught is a line with its stack before the process ends: %s',
	async (code) => {
		const program = `const { endOnUncaught } = await import('./mixins/runtime/errors.ts');
			endOnUncaught({ error: (line, error) => console.log(line, error.stack.split('\\n').length > 1) });
			${code};
			setInterval(() => {}, 1000);`;
		const args = ['--input-type=module', '-e', program];
		const end = await promisify(execFile)(process.execPath, args, { cwd: ROOT }).catch((error) => error);
		expect([end.code, end.stdout.trim(), end.stderr]).toEqual([
			1,
			expect.stringMatching(/^the process ends, \w+: lost true$/),
			'',
		]);
	},
);
