export { Forged, NEWS, type NewsReader, newsReaderOf, type ProviderNews } from './news.ts';
export { StandInParcels } from './parcel-sandbox.ts';
export { SANDBOX_PAGES, SandboxProvider } from './sandbox/index.ts';
