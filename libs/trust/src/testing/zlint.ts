import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The zlint to run: CERTMILL_ZLINT, or what infra/native/install-zlint.sh put into .cache/bin. */
export function findZlint(): string | undefined {
  const installed = fileURLToPath(new URL('../../../../.cache/bin/zlint', import.meta.url));
  const candidates = [process.env['CERTMILL_ZLINT'], installed];
  return candidates.find((file) => file !== undefined && file !== '' && existsSync(file));
}

/** What to do where it is missing. */
export const howToGetZlint = 'zlint is not there: run infra/native/install-zlint.sh';

/** A test by zlint; where it is missing, one that is told as skipped, with what to do. */
export function itWithZlint(name: string, test: (zlint: string) => void): void {
  const zlint = findZlint();
  if (zlint === undefined) it.skip(`${name}: ${howToGetZlint}`, () => undefined);
  else it(name, () => test(zlint));
}

/** Lints that did not pass, `error` or `warn` each, by RFC 5280 only: web rules are not ours. */
export function zlintFindings(
  zlint: string,
  certificateFile: string,
): Readonly<Record<string, string>> {
  let output: string;
  try {
    output = execFileSync(zlint, ['-includeSources', 'RFC5280', certificateFile], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  } catch {
    // zlint's parser refuses some certificates before any lint sees them.
    return { parse: 'error' };
  }
  const results = JSON.parse(output) as Record<string, { readonly result: string }>;
  const bad = Object.entries(results).filter(([, { result }]) =>
    ['error', 'warn', 'fatal'].includes(result),
  );
  return Object.fromEntries(
    bad.sort(([left], [right]) => (left < right ? -1 : 1)).map(([id, { result }]) => [id, result]),
  );
}
