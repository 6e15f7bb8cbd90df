export { StandInParcels } from './parcel-sandbox.ts';
export { SandboxProvider } from './payment-sandbox.ts';
