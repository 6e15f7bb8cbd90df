export { KafkaCarrier } from './carrier.ts';
export { createClient, parseKafkaUrl } from './client.ts';
export { KafkaTransporter } from './transporter.ts';
