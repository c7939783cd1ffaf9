import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import { ensureTool } from '@certmill/native';
import type { ScenarioName } from './scenarios.js';
import type { LoadSettings } from './settings.js';

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

/** As given, or of the PATH, or installed into the cache of infra/native. */
export async function findK6(given: string | undefined): Promise<string> {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  const places = given === undefined ? folders.map((folder) => join(folder, 'k6')) : [given];
  const found = places.find(isExecutable);
  if (found !== undefined) return found;
  if (given !== undefined) throw new CertmillError('CONFIG_INVALID', `there is no k6 at ${given}`);
  return ensureTool('k6');
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
