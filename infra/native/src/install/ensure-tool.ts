import { join } from 'node:path';
import { installOnce } from '../cache/install-once.js';
import { findCommand } from '../process/find-command.js';
import { runCommand } from '../process/run-command.js';
import { unpackDebian } from './debian.js';

/** Built from source: these are the versions that the project is checked with. */
const goTools = {
  k6: { path: 'go.k6.io/k6', version: 'v1.8.1' },
  helm: { path: 'helm.sh/helm/v3/cmd/helm', version: 'v3.22.0' },
  'kube-score': { path: 'github.com/zegl/kube-score/cmd/kube-score', version: 'v1.20.0' },
} as const;

/** Of the system, else of the package with that name. */
const debianTools = { promtool: 'prometheus', 'docker-compose': 'docker-compose' } as const;

type DebianToolName = keyof typeof debianTools;
export type ToolName = keyof typeof goTools | DebianToolName;

export const toolNames = [
  ...(Object.keys(goTools) as ToolName[]),
  ...(Object.keys(debianTools) as ToolName[]),
] as const;

function isDebianTool(name: ToolName): name is DebianToolName {
  return name in debianTools;
}

/** The path of a program that checks or loads the project, installed into the cache where it is missing. */
export async function ensureTool(name: ToolName): Promise<string> {
  if (isDebianTool(name)) {
    const found = findCommand(name);
    if (found !== undefined) return found;
    const unpacked = await unpackDebian({
      name: debianTools[name],
      programs: [name],
      purpose: name,
      install: `${name} on the PATH (Debian: ${debianTools[name]})`,
    });
    return unpacked.programFile(name);
  }
  const { path, version } = goTools[name];
  const folder = await installOnce(`${name}-${version}`, async (part) => {
    await runCommand('go', ['install', `${path}@${version}`], {
      purpose: `${name} ${version}`,
      install: 'Go, 1.26 or newer',
      environment: { GOBIN: part },
    });
  });
  return join(folder, name);
}
