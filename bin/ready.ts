/** The health check of a container: ends with 0 if `METRICS_PORT` says that the process is ready, else with 1 and why. */

/** Shorter than the health check's own time-out, so that there is a reason. */
const PATIENCE = 4_000;

try {
	const { METRICS_PORT: port } = process.env;
	if (!port) throw new Error('METRICS_PORT is not set');
	const answer = await fetch(`http://127.0.0.1:${port}/health/ready`, { signal: AbortSignal.timeout(PATIENCE) });
	process.stdout.write(`${await answer.text()}\n`);
	process.exitCode = answer.ok ? 0 : 1;
} catch (error) {
	const { message, cause } = error as Error;
	process.stderr.write(`${cause instanceof Error ? cause.message : message}\n`);
	process.exitCode = 1;
}
