export { refusalOf } from './amounts.ts';
export { StripeClient } from './client.ts';
export { StripeProvider } from './provider.ts';
export { requestsOf } from './requests.ts';
