export { StandInParcels } from './parcel-sandbox.ts';
export { SANDBOX_PAGES, SandboxProvider } from './sandbox/index.ts';
