import type { IncomingMessage } from 'node:http';
import { ProblemError, problem } from '../../../mixins/http/index.ts';

const SAFE = new Set(['GET', 'HEAD']);

/**
 * Refuses what a browser sends from another site's page and what would change something: a command without a body needs
 * no permission by CORS, and without tokens nothing else would stop it. Browsers alone send `Sec-Fetch-Site`, and no
 * page can change it (https://www.w3.org/TR/fetch-metadata/).
 */
export function refuseOtherSites(req: IncomingMessage): void {
	const site = req.headers['sec-fetch-site'];
	if (site === undefined || site === 'same-origin' || site === 'none' || SAFE.has(req.method ?? '')) return;
	throw new ProblemError(problem('Request.CrossSite', 'No other site may do this.'));
}
