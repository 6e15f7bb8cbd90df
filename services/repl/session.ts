import type { REPLServer } from 'node:repl';
import type { Middleware, ServiceBroker } from 'moleculer';
import { type Duration, SECOND } from '../../domain/time.ts';
import { endedWithin } from '../../mixins/runtime/index.ts';
import type { ObjectSchema, Schema } from '../../mixins/validation/index.ts';
import type { ReplCommand } from './commands.ts';

const LONGEST_STOP: Duration = 9 * SECOND;

type Next = (name: string, params: object, options: CallOptions) => Promise<unknown>;

interface CallOptions {
	readonly meta?: { readonly $repl?: boolean };
	readonly parentCtx?: unknown;
}

/**
 * Moleculer's REPL, fit for scripts: commands run one after the other, the end of the input waits for the last one, no
 * result `undefined` is printed, options arrive as they were typed, and commands of our own are completed. To be put
 * among a broker's middlewares; `broker.repl()` starts it, and Moleculer's runner does with `--repl`.
 */
export class ReplSession {
	readonly middleware: Middleware;
	/** the command that is carried out now; empty between them */
	command = '';
	readonly #longestStop: Duration;

	/** At the end of the input the broker stops, which takes no longer than `longestStop`; then the process ends. */
	constructor(longestStop: Duration = LONGEST_STOP) {
		this.#longestStop = longestStop;
		let broker: ServiceBroker;
		const middleware = {
			name: 'ReplSession',
			created: (ours: ServiceBroker) => {
				broker = ours;
				const start = broker.repl.bind(broker) as unknown as () => REPLServer | undefined; // typed as void
				broker.repl = () => {
					const server = start();
					if (server !== undefined) this.#improve(server, broker);
					return server;
				};
			},
			// The mark is moleculer-repl's; what a called action calls itself has a context before it.
			call: (next: Next) => (name: string, params: object, options: CallOptions) => {
				const isTyped = options?.meta?.$repl === true && options.parentCtx === undefined;
				return next(name, isTyped ? asTyped(params, schemaOf(broker, name), this.command) : params, options);
			},
		};
		this.middleware = middleware as unknown as Middleware; // Moleculer's types leave these hooks' parameters open
	}

	#improve(server: REPLServer, broker: ServiceBroker): void {
		const { eval: evaluate, completer } = server as REPLServer & { completer: Completer };
		let last = Promise.resolve();
		const inOrder: typeof evaluate = (command, context, file, done) => {
			last = last.then(() => {
				const { promise, resolve } = Promise.withResolvers<void>();
				this.command = command;
				evaluate.call(server, command, context, file, (error, result) => {
					this.command = '';
					done(error, result);
					resolve();
				});
				return promise;
			});
		};
		const complete: Completer = (line, done) => {
			const commands: readonly ReplCommand[] = (broker.options.replOptions?.customCommands ?? []) as ReplCommand[];
			completionOf(line, commands, broker).then(
				(found) => (found === undefined ? completer.call(server, line, done) : done(null, found)),
				() => done(null, [[], line]),
			);
		};
		Object.assign(server, { eval: inOrder, completer: complete, ignoreUndefined: true });
		if (!process.stdin.isTTY) {
			process.stdout.write('\n'); // the prompt is there already; what commands print begins on a line of its own
			server.setPrompt('');
		}
		server.removeAllListeners('exit'); // moleculer-repl's own would stop the broker with calls in hand
		server.once('exit', async () => {
			await last;
			await endedWithin(broker.stop(), this.#longestStop);
			process.exit();
		});
	}
}

type Completion = [readonly string[], string];
type Completer = (line: string, done: (error: Error | null, completion?: Completion) => void) => void;

/** Completions for the line's last word; undefined if the command offers none. */
async function completionOf(
	line: string,
	commands: readonly ReplCommand[],
	broker: ServiceBroker,
): Promise<Completion | undefined> {
	const [name, ...words] = line.trimStart().split(/\s+/);
	const found = commands.find(({ command }) => command.split(' ')[0] === name);
	const begun = words.pop();
	if (found?.complete === undefined || begun === undefined) return undefined;
	const candidates = await found.complete(words, broker);
	return [candidates.filter((word) => word.startsWith(begun)), begun];
}

function schemaOf(broker: ServiceBroker, name: string): Partial<ObjectSchema> {
	const found = broker.registry.getActionList({}).find((action) => action.name === name);
	return (found as { readonly action?: { readonly params?: ObjectSchema } } | undefined)?.action?.params ?? {};
}

/**
 * `call orders.create --productName 1e5`: moleculer-repl reads numbers and truth values wherever it can. Where the
 * action takes a text, it gets what was typed; so `--amount 10.500` has three decimals.
 */
function asTyped(params: object, { properties = {} }: Partial<ObjectSchema>, command: string): object {
	const texts = Object.entries(params).flatMap(([name, value]) => {
		const isGuess = typeof value === 'number' || typeof value === 'boolean';
		const text = isGuess && takesText(properties[name]) ? textOf(command, name) : undefined;
		return text === String(value) || Number(text) === value ? [[name, text]] : [];
	});
	return { ...params, ...Object.fromEntries(texts) };
}

const takesText = (schema: Schema | undefined): boolean => [schema?.type].flat().includes('string');

/** What stands behind `--name`, or in JSON behind `"name":`. */
function textOf(command: string, name: string): string | undefined {
	const literal = name.replaceAll(/\W/g, '\\$&');
	const option = new RegExp(`\\s--${literal}(?:\\s+|=)(?:"([^"]*)"|'([^']*)'|(?!--)(\\S+))`);
	const json = new RegExp(`"${literal}"\\s*:\\s*(-?[0-9][0-9.eE+-]*)`);
	const [, ...forms] = option.exec(command) ?? json.exec(command) ?? [];
	return forms.find((form) => form !== undefined);
}
