export { RedisCarrier } from './carrier.ts';
export { RedisTransporter } from './transporter.ts';
