export { RabbitMqCarrier } from './carrier.ts';
export { AmqpTransporter } from './transporter.ts';
