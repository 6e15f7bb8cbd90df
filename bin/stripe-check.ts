/** Asks Stripe's test mode what is assumed of Stripe here and can be learnt nowhere else, and prints it as a table. */
import Stripe from 'stripe';
import { errorMessage } from '../mixins/runtime/index.ts';
import { parseSettings, type StripeSettings } from '../mixins/settings/index.ts';
import { errorText, QUESTIONS, type Question } from './stripe/questions.ts';
import { Till } from './stripe/till.ts';

const NO_KEY = 'npm run stripe:check needs a test key of yours: STRIPE_API_KEY=sk_test_… npm run stripe:check';
const LIVE = 'npm run stripe:check makes payments, and STRIPE_API_KEY is a live key; it takes test keys alone';

function fail(line: string): never {
	process.stderr.write(`${line}\n`);
	process.exit(1);
}

function readStripe(): StripeSettings & { readonly apiKey: string } {
	const { stripe } = parseSettings({ ...process.env, PAYMENT_PROVIDER: 'sandbox' });
	const { apiKey, isLive } = stripe;
	if (apiKey === undefined) return fail(NO_KEY);
	return isLive === true ? fail(LIVE) : { ...stripe, apiKey };
}

async function answerTo(
	{ ask, fits }: Question,
	till: Till,
): Promise<{ readonly answer: string; readonly verdict: string }> {
	try {
		const answer = await ask(till);
		const isAsAssumed = fits(answer);
		return { answer, verdict: isAsAssumed === undefined ? '' : isAsAssumed ? 'as assumed' : 'DIFFERS' };
	} catch (error) {
		const why = error instanceof Stripe.errors.StripeError ? errorText(error) : errorMessage(error);
		return { answer: why, verdict: 'NOT ASKED' };
	}
}

try {
	const settings = readStripe();
	const till = new Till(settings, settings.apiKey);
	const rows: Record<string, string>[] = [];
	for (const question of QUESTIONS) {
		const { about, assumed } = question;
		rows.push({ about, assumed, ...(await answerTo(question, till)) });
	}
	await till.clear();
	console.table(rows);
} catch (error) {
	fail(errorMessage(error));
}
