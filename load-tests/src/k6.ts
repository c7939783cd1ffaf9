import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, globSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import type { ScenarioName } from './scenarios.js';
import type { LoadSettings } from './settings.js';

export const k6Version = 'v1.8.1';

/** What k6 ends with where the run was whole and a threshold was missed. */
const thresholdsMissed = 99;

/** What k6 knows of one metric at the end. */
export interface K6Metric {
  readonly values: Readonly<Record<string, number>>;
  readonly thresholds?: Readonly<Record<string, { readonly ok: boolean }>>;
}

export interface K6Summary {
  readonly metrics: Readonly<Record<string, K6Metric>>;
}

/** Given, or on the PATH, or where the scripts of infra/native install it. */
export function findK6(given: string | undefined, cache: string): string {
  const onPath = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'k6'));
  const cached = globSync(['k6*/k6', 'k6*/bin/k6', 'bin/k6'], { cwd: cache });
  const places =
    given === undefined ? [...onPath, ...cached.map((path) => join(cache, path))] : [given];
  const found = places.find(isExecutable);
  if (found !== undefined) return found;
  throw new CertmillError(
    'CONFIG_INVALID',
    `no k6: install it (GOBIN=${join(cache, 'k6')} go install go.k6.io/k6@${k6Version}) or name it with --k6`,
  );
}

/** Runs one scenario; the summary, whether its thresholds were kept or not. */
export async function runK6(
  k6: string,
  scenario: ScenarioName,
  settings: Omit<LoadSettings, 'summaryFile'>,
  signal: AbortSignal,
): Promise<K6Summary> {
  const folder = await mkdtemp(join(tmpdir(), 'certmill-k6-'));
  try {
    const summaryFile = join(folder, 'summary.json');
    const settingsFile = join(folder, 'settings.json');
    const told: LoadSettings = { ...settings, summaryFile };
    await writeFile(settingsFile, JSON.stringify(told), { mode: 0o600 });
    const script = join(import.meta.dirname, 'k6', `${scenario}.js`);
    const child = spawn(k6, ['run', '--no-usage-report', '--quiet', '--no-color', script], {
      env: { ...process.env, CERTMILL_LOAD_SETTINGS: settingsFile },
      stdio: ['ignore', 'ignore', 'inherit'],
      signal,
    });
    const [exitCode] = (await once(child, 'exit')) as [number | null];
    if (exitCode !== 0 && exitCode !== thresholdsMissed) {
      throw new CertmillError('FAULT_PROCESSING', `k6 ended with ${String(exitCode)}`);
    }
    return JSON.parse(await readFile(summaryFile, 'utf8')) as K6Summary;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
