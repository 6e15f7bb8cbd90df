/** `pp …` in `npm run repl` on a running system: by pipe, and in a terminal. */
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Client } from '../../support/client.ts';
import { ROOT, System } from '../../support/process.ts';
import { type Outcome, openRepl, runRepl } from '../../support/repl.ts';
import { until } from '../../support/until.ts';

const HEAD = 'ORDER                                 STATUS   PAYMENT   AMOUNT     CREATED                   PRODUCT';

let system: System;
let shipped: string;
const terminals: ChildProcess[] = [];

const repl = (...lines: string[]): Promise<Outcome> => runRepl({ DATA_DIR: system.dataDir }, ...lines);

/** What a command prints, without the prompt. */
async function pp(...lines: string[]): Promise<string[]> {
	const { code, output, errors } = await repl(...lines);
	expect([code, errors]).toEqual([0, '']);
	return output.replace('mol $ \n', '').trimEnd().split('\n');
}

beforeAll(async () => {
	system = await System.create();
	await system.up();
	const client = new Client(system.url);
	const { orderId } = await client.create(
		{ productName: 'A pound of tea', amount: 19.99, cancellationWindow: '1s' },
		'k',
	);
	shipped = orderId ?? '';
	await until(async () => (await client.get(shipped)).status === 'Shipped');
	await client.create({ productName: 'Later', amount: 7, cancellationWindow: '10m' }, 'l');
}, 120_000);

afterAll(async () => {
	for (const terminal of terminals) terminal.kill('SIGKILL');
	await system?.dispose();
});

it('lists orders, all or those in one state, page by page', async () => {
	expect(await pp('pp orders --status Shipped')).toEqual([
		HEAD,
		expect.stringMatching(new RegExp(`^${shipped}  Shipped  Captured  19\\.99 USD  \\S+Z  A pound of tea$`)),
	]);
	const [, later, , more = ''] = await pp('pp orders --limit 1');
	expect(later).toMatch(/ Later$/);
	expect((await pp(more.replace('more: ', ''))).slice(1)).toEqual([expect.stringContaining(shipped)]);
	expect(await pp('pp orders --status Cancelled')).toEqual(['no orders']);
});

it('shows an order and its history as a time line', async () => {
	const lines = await pp(`pp order ${shipped}`);
	expect(lines).toEqual(
		expect.arrayContaining([`id              ${shipped}`, 'amount          19.99', 'paymentStatus   Captured']),
	);
	const events = lines.slice(lines.indexOf('') + 1);
	expect(events[0]).toBe('TIME                      SINCE          EVENT              DATA');
	expect(events.slice(1).map((line) => line.split('  ')[2]?.trim())).toEqual([
		'OrderPending',
		'PaymentAuthorized',
		'OrderConfirmed',
		'PaymentCaptured',
		'OrderShipped',
	]);
	expect(events[1]).toMatch(/ {2}\+00:00:00\.000 {2}OrderPending {7}productName=A pound of tea amountMinor=1999 /);
	expect(events[3]).toMatch(/^\S+Z {2}\+00:00:01\.\d{3} {2}OrderConfirmed {5}wokenBy=OrderDue$/);
});

it('shows what waits in the outbox, and why', async () => {
	expect(await pp('pp outbox')).toEqual(['unsent   0', 'failing  0']);
	await system.sql(`INSERT INTO outbox_messages (message_id, type, order_id, deliver_at, available_at, attempts, last_error)
		VALUES (gen_random_uuid(), 'OrderDue', gen_random_uuid(), now(), now() + interval '1 hour', 3, E'no\\nway\\x1b[31m')`);
	const lines = await pp('pp outbox');
	expect(lines.slice(0, 2)).toEqual(['unsent   1', 'failing  1']);
	expect(lines.at(-1)).toMatch(/^\S{36} {2}OrderDue {2}3 {9}no way \[31m$/);
	await system.sql('DELETE FROM outbox_messages WHERE sent_at IS NULL');
});

it('lists dead letters and sends them again', async () => {
	expect(await pp('pp dead')).toEqual(['no dead letters']);
	const [known, other] = await system.sql<{
		id: string;
	}>(`INSERT INTO dead_letters (consumer, id, type, key, body, attempts, error)
		SELECT 'settlement', id, type, order_id, '{"specversion":"1.0"}', 8, 'it hurt' FROM order_events
		WHERE order_id = '${shipped}' AND type IN ('OrderPending', 'OrderConfirmed') ORDER BY sequence RETURNING id`);
	const [head, ...rows] = await pp('pp dead');
	expect(head).toBe(
		'MESSAGE                               GROUP       TYPE            ORDER                                 ATTEMPTS  FAILED                    ERROR',
	);
	expect(rows).toHaveLength(2);
	for (const row of rows) expect(row).toMatch(/^\S{36} {2}settlement {2}Order\w+ +\S{36} {2}8 {9}\S+Z {2}it hurt$/);
	expect(await pp('pp dead --limit 1')).toHaveLength(2);
	expect(await pp(`pp dead replay ${known?.id}`)).toEqual(['1 dead letter is sent again']);
	expect((await pp('pp dead')).slice(1)).toEqual([expect.stringContaining(other?.id ?? '')]);
	expect(await pp('pp dead replay')).toEqual(['1 dead letter is sent again']);
	expect(await pp('pp dead')).toEqual(['no dead letters']);
});

it('says what it takes, and is in the help', async () => {
	expect(await pp('pp')).toEqual([
		'pp orders [--status STATUS] [--limit N] [--cursor CURSOR]  the newest orders',
		'pp order <id>                                              an order and its history',
		'pp outbox                                                  messages that wait to be sent, and why',
		'pp dead [--limit N] | pp dead replay [id…]                 messages that could not be handled; sends them again, all or some',
		"pp reconcile [dry-run] [SINCE]                             compares the payment provider's list with our orders since then (the last 25 h), and mends what it may",
	]);
	const help = (await pp('help', 'help pp')).join('\n');
	expect(help).toMatch(/pp \[options\] \[what\] \[words\.\.\.\] +Orders and messages/);
	expect(help).toMatch(/--status \[status\] +orders: only those in this state/);
	expect(help).not.toContain('undefined');
});

it('answers a mistake with one line, and goes on', async () => {
	const id = randomUUID();
	const { code, output, errors } = await repl(
		'pp order',
		'pp order 7',
		`pp order ${id}`,
		'pp orders --status Nope',
		'pp orders --status',
		'pp orders --limit many',
		'pp orders tea',
		'pp outbox --limit 3',
		'pp dead --what',
		'pp dead bury',
		`pp dead replay ${id}`,
		'pp constructor',
		'pp outbox',
	);
	expect(code).toBe(1);
	expect(errors.trimEnd().split('\n')).toEqual([
		'pp: an id is missing',
		'pp: Must be a UUID in lower case.',
		'pp: There is no such order.',
		expect.stringMatching(/^pp: Must be one of Pending, /),
		'pp: --status needs a value: pp orders [--status STATUS] [--limit N] [--cursor CURSOR]',
		'pp: --limit takes a number, not many',
		'pp: too much: tea',
		'pp: outbox takes no --limit: pp outbox',
		'pp: dead takes no --what: pp dead [--limit N] | pp dead replay [id…]',
		'pp: dead takes `replay`, not bury',
		'pp: 1 of these cannot be sent again, or are no dead letters',
		'pp: there is no constructor: orders, order, outbox, dead, reconcile',
	]);
	expect(output).toBe('mol $ \nunsent   0\nfailing  0\n');
});

/** The REPL in a terminal, as `script` makes one; what was typed comes back with what is printed. */
function terminal(): { type(keys: string): void; seen(text: string): Promise<void> } {
	const repl = `${process.execPath} ${join(ROOT, 'bin/repl.ts')}`;
	const env = { TERM: 'xterm', DATA_DIR: system.dataDir };
	const { child, output } = openRepl(env, undefined, ['script', '-qec', repl, '/dev/null']);
	terminals.push(child);
	let read = 0;
	return {
		type: (keys) => void child.stdin?.write(keys),
		seen: async (text) => {
			await until(
				() => output().includes(text, read),
				() => `${text} in ${output().slice(read)}`,
			);
			read = output().indexOf(text, read) + text.length;
		},
	};
}

it('completes words in a terminal, with the ids of orders too', async () => {
	const { type, seen } = terminal();
	await seen('mol $ ');
	type('pp ou\t');
	await seen('pp outbox');
	type('\n');
	await seen('unsent');
	await seen('mol $ ');
	type('pp orders --status Sh\t');
	await seen('Shipped');
	type('\n');
	await seen('A pound of tea');
	await seen('mol $ ');
	type(`pp order ${shipped.slice(0, -1)}\t`);
	await seen(shipped);
	type('\n');
	await seen('OrderShipped');
	await seen('mol $ ');
	type('pp dead rep\t'); // and moleculer-repl's own
	await seen('replay');
	type('\u0015call orders.li\t');
	await seen('orders.list');
	type('\u0015no\t');
	await seen('nodes');
}, 60_000);
