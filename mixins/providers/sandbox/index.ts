export { SANDBOX_PAGES } from './book.ts';
export { SandboxProvider } from './provider.ts';
