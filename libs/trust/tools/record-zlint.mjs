// Makes, for each bad profile without one, the certificate that would have been issued, and records
// what zlint says of each. Run after a change of libs/trust/test-data/bad-profiles (delete the
// certificate of a profile that changed), with zlint installed by infra/native/install-zlint.sh:
//   node libs/trust/tools/record-zlint.mjs
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseProfile } from '@certmill/domain/profile-files';
import { pemEncode } from '@certmill/der';
import { lintSample, makeSamples } from '../dist/index.js';
import { aSampleIssuer, sampleNowMs } from '../dist/testing/sample-issuer.js';
import { findZlint, zlintFindings } from '../dist/testing/zlint.js';

const testData = new URL('../test-data/', import.meta.url);
const profiles = new URL('bad-profiles/', testData);
const certificates = new URL('bad-certificates/', testData);

const zlint = findZlint();
if (zlint === undefined) {
  process.stderr.write('zlint is not there: run infra/native/install-zlint.sh first\n');
  process.exit(1);
}
mkdirSync(certificates, { recursive: true });
const issuer = aSampleIssuer();
const verdicts = {};
for (const file of readdirSync(profiles).sort()) {
  const name = basename(file, '.yaml');
  const profile = parseProfile(readFileSync(new URL(file, profiles), 'utf8'), file);
  try {
    const samples = await makeSamples(profile, issuer, sampleNowMs);
    const certificate = new URL(`${name}.pem`, certificates);
    if (!existsSync(certificate)) {
      const bad = samples.find((sample) => lintSample(profile, issuer, sample).length > 0);
      if (bad === undefined) throw new Error(`${file}: no sample breaks a rule`);
      writeFileSync(certificate, pemEncode('CERTIFICATE', bad.der));
    }
    verdicts[name] = { findings: zlintFindings(zlint, fileURLToPath(certificate)) };
  } catch (error) {
    if (error.code !== 'PROFILE_INVALID') throw error;
    verdicts[name] = { notMade: error.message };
  }
}
writeFileSync(
  new URL('zlint-verdicts.json', testData),
  `${JSON.stringify({ zlint: 'v3.6.6', profiles: verdicts }, undefined, 2)}\n`,
);
