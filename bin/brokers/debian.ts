import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';

/**
 * Installs packages and lets none of the services that come with them start, now or at boot: as long as policy-rc.d
 * forbids it, the package's own scripts start nothing, and what they enabled is disabled again. What was there before
 * stays as it was.
 */
const SCRIPT = `
set -eu
export DEBIAN_FRONTEND=noninteractive
enabled() { find /etc/systemd/system -path '*.wants/*' 2>/dev/null | sort || true; }
before=$(enabled)
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	trap 'rm -f "$policy"' EXIT
	trap 'exit 1' HUP INT TERM
	printf '#!/bin/sh\\nexit 101\\n' > "$policy"
	chmod 755 "$policy"
fi
apt-get install -y --no-install-recommends "$@" || { apt-get update && apt-get install -y --no-install-recommends "$@"; }
enabled | while IFS= read -r link; do
	case "
$before
" in *"
$link
"*) ;; *) rm -f "$link" ;; esac
done
`;

/** Throws with what to run by hand where this user may not install packages. */
export async function installDebianPackages(...packages: readonly string[]): Promise<void> {
	const byHand = `apt-get install -y ${packages.join(' ')}`;
	if (!(await exists('/usr/bin/apt-get'))) {
		throw new Error(`no apt-get on this machine: install ${packages.join(', ')} in its own way`);
	}
	const root = process.getuid?.() === 0;
	if (!root && !(await exists('/usr/bin/sudo'))) {
		throw new Error(`only root may install packages, and there is no sudo: run as root: ${byHand}`);
	}
	const command = [...(root ? [] : ['sudo']), 'sh', '-c', SCRIPT, 'install', ...packages];
	const { code, output } = await run(command);
	if (code !== 0) throw new Error(`could not install ${packages.join(', ')}, run as root: ${byHand}\n${output}`);
}

const exists = (path: string): Promise<boolean> =>
	access(path, constants.X_OK).then(
		() => true,
		() => false,
	);

function run([file = '', ...args]: readonly string[]): Promise<{
	readonly code: number | null;
	readonly output: string;
}> {
	return new Promise((resolve, reject) => {
		const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
		const lines: string[] = [];
		for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => lines.push(String(data)));
		child.once('error', reject);
		child.once('close', (code) => resolve({ code, output: lines.join('').trimEnd().split('\n').slice(-5).join('\n') }));
	});
}
