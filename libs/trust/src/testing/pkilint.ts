import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('../../../../', import.meta.url));
const folder = join(repository, 'infra', 'native', 'pkilint');

/** What to do where it is missing. */
export const howToGetPkilint =
  'pkilint is not there: run infra/native/install-pkilint.sh (it needs Python 3.10 or newer)';

/** The Python of the environment that infra/native/install-pkilint.sh made; undefined without one. */
export function findPkilint(): string | undefined {
  const requirements = readFileSync(join(folder, 'requirements.txt'), 'utf8');
  const version = /^pkilint==(.+)$/m.exec(requirements)?.[1] ?? '';
  const given = process.env['CERTMILL_NATIVE_CACHE'];
  const cache = given === undefined || given === '' ? join(repository, '.cache', 'native') : given;
  const python = join(cache, `pkilint-${version}`, 'bin', 'python');
  return existsSync(python) ? python : undefined;
}

/** A test by pkilint; where it is missing, one that is told as skipped, with what to do. */
export function itWithPkilint(name: string, test: (python: string) => void): void {
  const python = findPkilint();
  if (python === undefined) it.skip(`${name}: ${howToGetPkilint}`, () => undefined);
  else it(name, () => test(python));
}

/** Findings of each DER file by RFC 5280, as `finding: severity`, down to INFO; one process for all. */
export function pkilintFindings(
  python: string,
  files: readonly string[],
): Readonly<Record<string, Readonly<Record<string, string>>>> {
  const script = join(folder, 'lint-certificates.py');
  const output = execFileSync(python, [script, ...files], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  return JSON.parse(output) as Record<string, Record<string, string>>;
}
