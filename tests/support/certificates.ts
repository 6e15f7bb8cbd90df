import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificates {
	/** of the authority; who trusts it sets `NODE_EXTRA_CA_CERTS` to this */
	readonly authority: string;
	/** of the server `localhost`, and its key */
	readonly certificate: string;
	readonly key: string;
	/** key and certificate in one file, as Java takes them */
	readonly chain: string;
}

/** Makes an authority and a certificate for `localhost` in a folder, valid for a day. Needs openssl. */
export function makeCertificates(folder: string): Certificates {
	const path = (name: string): string => join(folder, name);
	const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
	const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
	const authority = ['-keyout', 'ca.key', '-out', 'ca.crt', '-subj', '/CN=test authority', '-days', '1'];
	openssl('req', '-x509', ...newKey, ...authority);
	const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-days', '1'];
	const issuer = ['-CA', 'ca.crt', '-CAkey', 'ca.key'];
	openssl('req', '-x509', ...newKey, '-keyout', 'server.key', '-out', 'server.crt', ...subject, ...issuer);
	const chain = ['server.key', 'server.crt'].map((name) => readFileSync(path(name), 'utf8')).join('');
	writeFileSync(path('server.pem'), chain);
	return {
		...{ authority: path('ca.crt'), certificate: path('server.crt'), key: path('server.key') },
		chain: path('server.pem'),
	};
}
