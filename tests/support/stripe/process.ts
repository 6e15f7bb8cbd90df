/** `node tests/support/stripe/process.ts [port]`: the stand-in as a process of its own; prints where it listens. */
import { StripeStandIn, TEST_KEY } from './stand-in.ts';

const standIn = await StripeStandIn.open({ port: Number(process.argv[2] ?? 0), patience: 5_000 });
console.log(`Stripe's stand-in listens on ${standIn.url}`);
console.log(`PAYMENT_PROVIDER=stripe STRIPE_API_KEY=${TEST_KEY} STRIPE_API_BASE=${standIn.url} npm start`);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void standIn.close());
