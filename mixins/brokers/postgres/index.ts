export { PostgresCarrier } from './carrier.ts';
