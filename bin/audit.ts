/**
 * Asks the registry about known vulnerabilities in what production runs. Fails on severe ones, names the others, and
 * passes with one line where the registry has no such service or cannot be reached: a check must not need the network.
 */
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';

/** One entry of `npm audit --json`; `via` holds advisories, and names of packages that are in the list themselves. */
interface Vulnerability {
	readonly name: string;
	readonly severity: string;
	readonly range: string;
	readonly via: readonly (string | { readonly title: string; readonly url: string })[];
}

interface Report {
	readonly vulnerabilities?: Readonly<Record<string, Vulnerability>>;
	/** what went wrong instead */
	readonly message?: string;
}

const SEVERE: ReadonlySet<string> = new Set(['high', 'critical']);

async function audit(): Promise<Report> {
	const args = ['audit', '--omit=dev', '--json', '--fetch-retries=0', '--fetch-timeout=20000'];
	const npm = spawn('npm', args, { stdio: ['ignore', 'pipe', 'ignore'] });
	const output = await text(npm.stdout);
	try {
		return JSON.parse(output);
	} catch {
		return { message: 'npm gave no report' };
	}
}

const say = (line: string): void => {
	process.stdout.write(`${line}\n`);
};

const { vulnerabilities, message = 'no reason given' } = await audit();
if (vulnerabilities === undefined) {
	say(`audit: not done, the registry offers none here (${message})`);
} else {
	const found = Object.values(vulnerabilities);
	for (const { name, severity, range, via } of found) {
		const advisories = via.map((entry) => (typeof entry === 'string' ? `by ${entry}` : `${entry.title} ${entry.url}`));
		say(`audit: ${severity}: ${name} ${range} (${advisories.join('; ')})`);
	}
	const severe = found.filter(({ severity }) => SEVERE.has(severity)).length;
	say(`audit: ${found.length} vulnerable packages in production, ${severe} of them severe`);
	if (severe > 0) process.exitCode = 1;
}
