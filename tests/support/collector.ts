/** A collector of traces: OTLP over HTTP, JSON read, anything else kept as it came. */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

export const KINDS = { internal: 1, server: 2, client: 3, consumer: 5 } as const;

/** A span, with what its process says of itself. */
export interface CollectedSpan {
	readonly traceId: string;
	readonly spanId: string;
	readonly parentSpanId?: string;
	readonly name: string;
	readonly kind: number;
	readonly status: { readonly code?: number };
	readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
	readonly attributes: Readonly<Record<string, unknown>>;
	readonly resource: Readonly<Record<string, unknown>>;
}

interface Attribute {
	readonly key: string;
	readonly value: Readonly<Record<string, unknown>>;
}

interface Body {
	readonly resourceSpans: readonly {
		readonly resource: { readonly attributes: readonly Attribute[] };
		readonly scopeSpans: readonly { readonly spans: readonly (Omit<CollectedSpan, 'attributes'> & Raw)[] }[];
	}[];
}

interface Raw {
	readonly attributes: readonly Attribute[];
}

const plain = (attributes: readonly Attribute[]): Record<string, unknown> =>
	Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));

export class Collector {
	readonly spans: CollectedSpan[] = [];
	/** every request, as it came */
	readonly requests: { readonly headers: IncomingMessage['headers']; readonly path: string; readonly body: Buffer }[] =
		[];
	/** says nothing to requests from now on */
	isSilent = false;
	readonly #server = createServer(async (req, res) => {
		const body = await buffer(req);
		this.requests.push({ headers: req.headers, path: req.url ?? '', body });
		if (this.isSilent) return;
		if (req.headers['content-type'] === 'application/json') this.#take(JSON.parse(body.toString()));
		res
			.writeHead(200, { 'content-type': req.headers['content-type'] ?? '' })
			.end(req.headers['content-type'] === 'application/json' ? '{}' : '');
	});

	static async start(): Promise<Collector> {
		const collector = new Collector();
		await new Promise<void>((resolve) => collector.#server.listen(0, '127.0.0.1', resolve));
		return collector;
	}

	get url(): string {
		return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
	}

	/** the environment that leads here, with spans sent soon */
	get env(): Record<string, string> {
		return {
			OTEL_EXPORTER_OTLP_ENDPOINT: this.url,
			OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
			OTEL_BSP_SCHEDULE_DELAY: '50',
		};
	}

	/** The spans of a trace. */
	trace(id: string): CollectedSpan[] {
		return this.spans.filter(({ traceId }) => traceId === id);
	}

	async stop(): Promise<void> {
		this.#server.closeAllConnections();
		await new Promise((resolve) => this.#server.close(resolve));
	}

	#take({ resourceSpans }: Body): void {
		for (const { resource, scopeSpans } of resourceSpans) {
			for (const span of scopeSpans.flatMap(({ spans }) => spans)) {
				this.spans.push({ ...span, attributes: plain(span.attributes), resource: plain(resource.attributes) });
			}
		}
	}
}
