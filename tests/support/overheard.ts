/** What the system says over HTTP to those who must learn no secret: its figures, its health, and its answers to bad requests. */

/** Bad in different ways; each holds the token of a card. */
const BAD_REQUESTS: readonly (readonly [path: string, method: string, body: string])[] = [
	['/orders', 'POST', '{"productName":"","amount":-1,"paymentMethod":"pm_card_visa","more":"pm_card_visa"}'],
	['/orders', 'POST', '{"productName":"Tea","amount":5,"paymentMethod":["pm_card_visa"]}'],
	['/orders', 'POST', '{"paymentMethod":"pm_card_visa"'],
	['/orders?status=pm_card_visa', 'GET', ''],
	['/orders/pm_card_visa', 'GET', ''],
	['/orders/pm_card_visa/cancel', 'POST', ''],
	['/pm_card_visa', 'GET', ''],
	['/webhooks/stripe', 'POST', '{"id":"evt_1","data":{"object":{"client_secret":"pi_1_secret_abc"}}}'],
];

type Hear = (line: string) => void;

/** Tells `hear` each line of what a process answers at `/metrics` and `/health/ready`; nothing where it does not answer. */
export async function overhearFigures(url: string | undefined, hear: Hear): Promise<void> {
	for (const path of ['/metrics', '/health/ready']) await ask(url, path, {}, hear);
}

/** The same of its answers to bad requests. */
export async function overhearErrors(url: string | undefined, hear: Hear): Promise<void> {
	for (const [path, method, body] of BAD_REQUESTS) {
		const headers = { 'content-type': 'application/json', 'stripe-signature': 't=1,v1=whsec_of_nobody' };
		await ask(url, path, { method, ...(method === 'GET' ? {} : { headers, body }) }, hear);
	}
}

async function ask(url: string | undefined, path: string, init: RequestInit, hear: Hear): Promise<void> {
	if (url === undefined) return;
	try {
		const response = await fetch(`${url}${path}`, { ...init, signal: AbortSignal.timeout(5_000) });
		for (const line of (await response.text()).split('\n')) hear(line);
	} catch {
		// It was killed meanwhile, or is still starting.
	}
}
