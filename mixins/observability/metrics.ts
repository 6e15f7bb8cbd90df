/** What the process tells Prometheus: https://prometheus.io/docs/practices/naming/ */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Raised } from '../../domain/events.ts';
import type { CallOutcome } from '../../domain/payment.ts';
import type { ProviderOperation } from '../../domain/provider.ts';
import { type Duration, SECOND } from '../../domain/time.ts';
import type { Answer } from '../http/index.ts';
import { errorMessage, type Log, WaitLog, withDeadline } from '../runtime/index.ts';
import { ofThisProcess } from './process-metrics.ts';

/** A figure that takes longer to find than this is left out of the scrape. */
const PATIENCE: Duration = SECOND;

/** From a few milliseconds to as long as a request may take. */
const ANSWERS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** From a carrier that is in time to one that stood still for an hour. */
const LATENESS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 3_600];

/** From a sandbox in memory to the longest that `PROVIDER_TIMEOUT` may be. */
const CALLS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Why the gateway refused a request without looking at it. */
export type Refusal = 'overload' | 'rate_limit';

/**
 * The figures of one process. Counting costs a microsecond or so; what has to be asked of the database is asked at the
 * scrape, and a scrape never fails for it: what cannot be found in time is missing in it.
 */
export class Metrics {
	readonly #registry = new Registry();
	readonly #missing: WaitLog | undefined;
	readonly #readers = new Map<string, () => Promise<void>>();
	readonly #requests = this.#histogram(
		'http_request_duration_seconds',
		'Requests to the gateway, from their header to the end of their answer.',
		ANSWERS,
		['method', 'route', 'status'],
	);
	readonly #refused = this.#counter(
		'http_requests_refused_total',
		'Requests refused for their number: overload (503), or one client alone (429).',
		['reason'],
	);
	readonly #dropped = this.#counter(
		'http_streams_dropped_total',
		'Streams that were ended because their client did not read; it may resume.',
	);
	readonly #actions = this.#histogram(
		'action_duration_seconds',
		'Calls of the actions of this process, whoever made them.',
		ANSWERS,
		['action', 'status'],
	);
	readonly #events = this.#counter('order_events_total', 'Events raised and stored by this process.', ['type']);
	readonly #confirmed = this.#counter(
		'orders_confirmed_total',
		'Orders confirmed at the end of their window, by what woke them: the carrier, or the sweeper in its place.',
		['woken_by'],
	);
	readonly #lateness = this.#histogram(
		'wakeup_lateness_seconds',
		'How much later than its moment a wake-up was handled.',
		LATENESS,
		['type'],
	);
	readonly #payments = this.#counter(
		'payment_outcomes_total',
		'What became of calls to the payment provider. A void that is refused stays open and is repeated.',
		['operation', 'outcome'],
	);
	readonly #calls = this.#histogram(
		'provider_call_seconds',
		'Calls to the payment provider, and to the parcel service (hand_over), by what they were answered.',
		CALLS,
		['operation', 'outcome'],
	);
	readonly #news = this.#counter(
		'provider_webhooks_total',
		'Messages from the payment provider, by what came of them: asked, nothing, known, not ours, refused, failed.',
		['result'],
	);
	readonly #handled = this.#counter(
		'messages_handled_total',
		'Messages handled, those that were known already included.',
		['group'],
	);
	readonly #failed = this.#counter('messages_failed_total', 'Deliveries whose handling failed; they come again.', [
		'group',
	]);
	readonly #dead = this.#counter(
		'dead_letters_total',
		'Messages set aside for a person, because they have failed too often or are none of ours.',
		['group'],
	);
	readonly #swept = this.#counter('sweeper_finds_total', 'Orders that had waited longer than they should.');
	readonly #breaches = this.#counter(
		'settlement_breaches_total',
		'Orders whose money was taken though they were cancelled or have failed; reconciliation gives it back.',
	);
	readonly #lostSpans = this.#counter(
		'trace_spans_dropped_total',
		'Spans of traces that nobody will see: too many waited (queue_full), or the collector did not take them (not_sent).',
		['reason'],
	);
	readonly #notSwept = this.#counter(
		'sweeper_failures_total',
		'Times that an order could not be saved by the sweeper; it is looked at again, ever more rarely.',
	);

	/** `log` gets the reason why a figure is missing. */
	constructor(log?: Log) {
		this.#missing = log && new WaitLog(log);
	}

	#counter<Label extends string = never>(
		name: string,
		help: string,
		labelNames: readonly Label[] = [],
	): Counter<Label> {
		return new Counter({ name, help, labelNames, registers: [this.#registry] });
	}

	#histogram<Label extends string>(
		name: string,
		help: string,
		buckets: number[],
		labelNames: readonly Label[],
	): Histogram<Label> {
		return new Histogram({ name, help, buckets, labelNames, registers: [this.#registry] });
	}

	/** `status`: 0 where the client did not wait for the answer. */
	requestAnswered(method: string, route: string, status: number, took: Duration): void {
		this.#requests.observe({ method, route, status: classOf(status) }, took / SECOND);
	}

	requestRefused(reason: Refusal): void {
		this.#refused.inc({ reason });
	}

	streamDropped(): void {
		this.#dropped.inc();
	}

	actionCalled(action: string, status: number, took: Duration): void {
		this.#actions.observe({ action, status: classOf(status) }, took / SECOND);
	}

	/** What a committed transaction has raised. */
	raised(messages: readonly Raised[]): void {
		for (const message of messages) {
			if (message.kind !== 'event') continue;
			this.#events.inc({ type: message.type });
			if (message.type !== 'OrderConfirmed') continue;
			this.#confirmed.inc({ woken_by: message.data.wokenBy === 'sweeper' ? 'sweeper' : 'carrier' });
		}
	}

	wakeUpHandled(type: string, lateness: Duration): void {
		this.#lateness.observe({ type }, Math.max(0, lateness) / SECOND);
	}

	/** An outcome that counted. */
	paid(operation: ProviderOperation, outcome: CallOutcome['kind']): void {
		this.#payments.inc({ operation, outcome });
	}

	/** A call to the outside has ended; `outcome` is `unknown` if nobody knows what became of it. */
	providerCalled(operation: string, outcome: string, took: Duration): void {
		this.#calls.observe({ operation, outcome }, took / SECOND);
	}

	/** A message from the provider was answered. */
	newsTaken(result: string): void {
		this.#news.inc({ result });
	}

	swept(found: number): void {
		this.#swept.inc(found);
	}

	/** Money was taken that should not have been. */
	breached(): void {
		this.#breaches.inc();
	}

	spansDropped(spans: number, reason: 'queue_full' | 'not_sent'): void {
		this.#lostSpans.inc({ reason }, spans);
	}

	/** So many orders could not be saved by the sweeper. */
	notSwept(failed: number): void {
		this.#notSwept.inc(failed);
	}

	/** A message of a consumer group was set aside. */
	setAside(group: string): void {
		this.#dead.inc({ group });
	}

	/** Counts what a consumer group's handler does. */
	counting<Message, Failure, Within extends Committing>(
		group: string,
		handle: Handler<Message, Failure, Within>,
	): Handler<Message, Failure, Within> {
		for (const counter of [this.#handled, this.#failed, this.#dead]) counter.inc({ group }, 0);
		return async (deliveries, within) => {
			const failures = await handle(deliveries, within);
			const count = (): void => {
				this.#handled.inc({ group }, deliveries.length - failures.length);
				this.#failed.inc({ group }, failures.length);
			};
			if (within === undefined) count();
			else within.afterCommit(count);
			return failures;
		};
	}

	/**
	 * A counter of one service, by a label whose values are known; it begins at 0. Returns what counts. A second
	 * registration replaces the first.
	 */
	count<Value extends string>(
		name: string,
		help: string,
		label: string,
		values: readonly Value[],
	): (value: Value) => void {
		this.#registry.removeSingleMetric(name);
		const counter = this.#counter(name, help, [label]);
		for (const value of values) counter.inc({ [label]: value }, 0);
		return (value) => counter.inc({ [label]: value });
	}

	/**
	 * Figures that are asked for at each scrape; `help` says what each is. Without an answer in time they are missing. A
	 * second registration with the same names replaces the first.
	 */
	read<Name extends string>(
		help: Readonly<Record<Name, string>>,
		read: () => Promise<Readonly<Record<Name, number>>> | Readonly<Record<Name, number>>,
	): void {
		const names = Object.keys(help) as Name[];
		const gauges = names.map((name) => this.#gauge(name, help[name]));
		this.#readers.set(names.join(), async () => {
			const figures = await this.#inTime(names.join(), read);
			for (const [index, name] of names.entries()) {
				if (figures === undefined) gauges[index]?.remove();
				else gauges[index]?.set(figures[name]);
			}
		});
	}

	/** The same for one figure with a label; a value of the label that is not in the answer is missing. */
	readEach(
		name: string,
		help: string,
		label: string,
		read: () => Promise<Readonly<Record<string, number>>> | Readonly<Record<string, number>>,
	): void {
		const gauge = this.#gauge(name, help, label);
		this.#readers.set(name, async () => {
			const figures = (await this.#inTime(name, read)) ?? {};
			gauge.reset();
			for (const [value, figure] of Object.entries(figures)) gauge.set({ [label]: value }, figure);
		});
	}

	/** Undefined for what cannot be found; the log says why, once a minute. */
	async #inTime<T>(names: string, read: () => Promise<T> | T): Promise<T | undefined> {
		const reading = async (): Promise<T> => read();
		try {
			return await withDeadline(reading(), PATIENCE, () => new Error(`no answer within ${PATIENCE} ms`));
		} catch (error) {
			this.#missing?.warn(`metrics without ${names}: ${errorMessage(error)}`, names);
			return undefined;
		}
	}

	#gauge(name: string, help: string, label?: string): Gauge<string> {
		this.#registry.removeSingleMetric(name);
		return new Gauge({ name, help, labelNames: label === undefined ? [] : [label], registers: [this.#registry] });
	}

	/** For `/metrics`: the figures of this process as Prometheus reads them. */
	async expose(): Promise<Answer> {
		await Promise.all(Array.from(this.#readers.values(), (read) => read()));
		const [own, process] = await Promise.all([this.#registry.metrics(), ofThisProcess().metrics()]);
		return { status: 200, type: this.#registry.contentType, body: `${own}\n${process}` };
	}
}

/** Handles messages, and returns those that failed. */
type Handler<Message, Failure, Within extends Committing> = (
	messages: readonly Message[],
	within?: Within,
) => Promise<readonly Failure[]>;

/** A transaction that the handler is part of. */
interface Committing {
	afterCommit(action: () => void): void;
}

const classOf = (status: number): string => (status === 0 ? 'none' : `${Math.floor(status / 100)}xx`);
