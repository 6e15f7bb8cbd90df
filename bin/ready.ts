/** The health check of a container: ends with 0 if `METRICS_PORT` says that the process is ready, else with 1 and why. */
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';

/** Shorter than the health check's own time-out, so that there is a reason. */
const PATIENCE = 4_000;

/** Where a server answers that listens on all addresses. */
const LOOPBACK: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };

try {
	const { METRICS_PORT: port, HOST } = process.env;
	if (!Number(port)) throw new Error(port ? `METRICS_PORT=${port} cannot be asked` : 'METRICS_PORT is not set');
	const host = HOST || '127.0.0.1';
	const signal = AbortSignal.timeout(PATIENCE);
	// Not fetch, which refuses some ports.
	const request = get({ host: LOOPBACK[host] ?? host, port, path: '/health/ready', agent: false, signal });
	const [answer] = (await once(request, 'response')) as [IncomingMessage];
	process.stdout.write(`${await text(answer)}\n`);
	process.exitCode = answer.statusCode === 200 ? 0 : 1;
} catch (error) {
	const { message, cause } = error as Error;
	process.stderr.write(`${cause instanceof Error ? cause.message : message}\n`);
	process.exitCode = 1;
}
