export { StripeProvider } from './provider.ts';
