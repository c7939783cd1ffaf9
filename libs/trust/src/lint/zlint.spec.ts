import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { itWithZlint, zlintFindings } from '../testing/zlint.js';
import { certificatesInPem } from '../hierarchy/ca-certificate.js';
import { lintCertificate } from './lint-certificate.js';
import type { LintStandard } from './lint-rule.js';

interface Verdict {
  readonly findings?: Readonly<Record<string, string>>;
  readonly notMade?: string;
}

const testData = new URL('../../test-data/', import.meta.url);
const { profiles: verdicts } = JSON.parse(
  readFileSync(new URL('zlint-verdicts.json', testData), 'utf8'),
) as { readonly profiles: Readonly<Record<string, Verdict>> };
const profileNames = readdirSync(new URL('bad-profiles/', testData)).map((file) =>
  basename(file, '.yaml'),
);
const certificateNames = readdirSync(new URL('bad-certificates/', testData)).map((file) =>
  basename(file, '.pem'),
);

function pemFileOf(name: string): URL {
  return new URL(`bad-certificates/${name}.pem`, testData);
}

function clauseOf(name: string): string {
  const text = readFileSync(new URL(`bad-profiles/${name}.yaml`, testData), 'utf8');
  return /^# Breaks (.+)$/m.exec(text)?.[1] ?? '';
}

describe('the recorded verdicts of zlint', () => {
  it('cover every bad profile, and nothing else', () => {
    expect(Object.keys(verdicts).sort()).toEqual([...profileNames].sort());
  });

  it('have a certificate for each profile that makes one', () => {
    const made = Object.entries(verdicts).filter(([, verdict]) => verdict.notMade === undefined);
    expect(made.map(([name]) => name).sort()).toEqual([...certificateNames].sort());
  });

  it('confirm at least thirty of the refusals', () => {
    const confirmed = Object.values(verdicts).filter(
      ({ findings }) => Object.keys(findings ?? {}).length > 0,
    );
    expect(confirmed.length).toBeGreaterThanOrEqual(30);
  });

  it.each(certificateNames)('belong to a certificate that our linter refuses: %s', (name) => {
    const [der] = certificatesInPem(readFileSync(pemFileOf(name), 'utf8'));
    const conformsTo = /^conformsTo: (.+)$/m.exec(
      readFileSync(new URL(`bad-profiles/${name}.yaml`, testData), 'utf8'),
    )?.[1] as LintStandard | undefined;
    const findings = lintCertificate(der!, {
      maxCertificateBytes: name === 'over-its-own-limit' ? 400 : 65_536,
      ...(conformsTo === undefined ? {} : { conformsTo }),
    });
    const clauses = findings.map(({ clause }) => clause);
    expect(clauses.some((clause) => clause.startsWith(clauseOf(name)))).toBe(true);
  });

  itWithZlint('are what zlint says today', (zlint) => {
    const today = Object.fromEntries(
      certificateNames.map((name) => [name, zlintFindings(zlint, fileURLToPath(pemFileOf(name)))]),
    );
    const recorded = Object.fromEntries(
      certificateNames.map((name) => [name, verdicts[name]?.findings]),
    );
    expect(today).toEqual(recorded);
  });
});
