/** `/sandbox/payments/{page}`: where the sandbox asks the buyer, as the page of a bank does with a real provider. */
import type { ServerResponse } from 'node:http';
import { ProblemError, routeNotFound, send } from '../../mixins/http/index.ts';
import { SANDBOX_PAGES } from '../../mixins/providers/index.ts';
import { isUuid } from '../../mixins/runtime/index.ts';
import { defineMixin, type Mixin } from '../../mixins/service.ts';
import type { SandboxPage } from '../settlement/sandbox-pages.ts';
import type { AnswerParams } from '../settlement/sandbox-params.ts';
import { refuseOtherSites } from './admission/origin.ts';
import { readForm } from './http/body.ts';
import { htmlPage } from './http/html.ts';
import type { WithServer } from './serving.ts';
import type { Request } from './types.ts';

/** In ms. */
const TIMEOUT = 8_000;

export interface WithSandboxPages {
	/** The page, or, to a POST, what the buyer answers there. */
	answerSandbox(page: string, req: Request, res: ServerResponse): Promise<void>;
}

/** The page needs no token, as it is not the shop's: its name is known to the owner of the order alone. */
export const sandboxPages = (): Mixin<WithSandboxPages> =>
	defineMixin<WithSandboxPages, object, WithServer>({
		methods: {
			async answerSandbox(page: string, req: Request, res: ServerResponse): Promise<void> {
				const { broker, platform } = this;
				if (platform.settings.paymentProvider !== 'sandbox' || !isUuid(page)) throw new ProblemError(routeNotFound());
				refuseOtherSites(req);
				await this.load.while(() => this.admission.admitUnknown(req));
				const options = { timeout: TIMEOUT, requestID: req.$trace.id, meta: { traceparent: req.$trace.parent } };
				if (req.method !== 'POST') {
					const asked: SandboxPage = await this.load.while(() =>
						broker.call('settlement.sandboxPage', { page }, options),
					);
					return send(res, 200, HEADERS, pageOf(asked));
				}
				const answer = { ...(await readForm(req)), page } as AnswerParams;
				await this.load.while(() => broker.call('settlement.sandboxAnswer', answer, options));
				send(res, 303, { Location: `${req.$prefix}${SANDBOX_PAGES}${page}` }, '');
			},
		},
	}) as Mixin<WithSandboxPages>;

/** No script, no style, and no other place that the form could be sent to. */
const POLICY = "default-src 'none'; img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const HEADERS = { 'Content-Type': 'text/html; charset=utf-8', 'Content-Security-Policy': POLICY };

const ENDS: Readonly<Record<NonNullable<SandboxPage['endedAs']>, string>> = {
	succeeded: 'You have confirmed this payment.',
	failed: 'You have refused this payment.',
	cancelled: 'This payment was cancelled.',
};

const pageOf = ({ amount, currency, endedAs }: SandboxPage): string =>
	htmlPage(
		'Sandbox: confirm a payment',
		`<h1>${amount} ${currency}</h1>
${endedAs === null ? FORM : `<p>${ENDS[endedAs]} Go back to the shop.</p>`}`,
	);

const FORM = `<p>This page of the sandbox stands for the page where a bank has the buyer confirm a payment.</p>
<form method="post">
<button name="outcome" value="succeeded">Confirm the payment</button>
<button name="outcome" value="failed">Refuse it</button>
</form>`;
