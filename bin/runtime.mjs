/**
 * Loaded before each program: they are TypeScript, which an older Node answers with a stack. The package `node` brings
 * the one that they need, by its install script. Compiled code is kept, which saves a third of a start; where the folder
 * cannot be written, Node goes on without.
 */
import module from 'node:module';
import { fileURLToPath } from 'node:url';

const { node } = process.versions;
if (Number.parseInt(node, 10) < 24) {
	process.stderr.write(
		`This needs Node 24, not ${node}; the packages bring it if their install scripts run: npm rebuild --ignore-scripts=false\n`,
	);
	process.exit(1);
}
module.enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/compile', import.meta.url)));
