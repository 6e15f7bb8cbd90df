export { hotReload } from './hot-reload.ts';
export { releaseMemoryWhenQuiet } from './memory.ts';
export { openProcess, type Process, type ProcessOptions, processOf } from './process.ts';
export { environmentUnder, type Runner, underRunner } from './runner.ts';
