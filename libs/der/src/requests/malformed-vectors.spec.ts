import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import {
  createCertificationRequestWalk,
  walkCertificationRequest,
} from './walk-certification-request.js';

interface Vector {
  readonly name: string;
  readonly mbedtls: string;
  readonly derHex: string;
}

const vectors = readFileSync(
  join(import.meta.dirname, '../../test-data/mbedtls/csr-malformed.ndjson'),
  'utf8',
)
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Vector);

// Where the verdicts differ. The first two are well-formed PKCS #10 that policy refuses later: an
// extension whose value is no DER, and a signature algorithm that is not known.
const verdicts: Record<string, string> = {
  OK: 'walked',
  'Unsupported critical extension, critical=true': 'walked',
  'Unsupported non-critical extension, critical=false': 'walked',
  'Unsupported non-critical extension, critical undefined': 'walked',
  'bad first tag': 'unexpected-tag@0',
  'bad sequence: overlong': 'truncated@0',
  'total length mistmatch': 'trailing-bytes@3',
  'bad CRI: not a sequence': 'unexpected-tag@2',
  'bad CRI: overlong': 'truncated@2',
  'bad CRI.Version: overlong': 'truncated@4',
  'bad CRI.Version: not v1': 'version-unsupported@4',
};

describe('requests that mbed TLS tests with', () => {
  test('are all there', () => {
    expect(vectors).toHaveLength(30);
    for (const name of Object.keys(verdicts)) {
      expect(vectors.map((vector) => vector.name)).toContain(name);
    }
  });

  test.each(vectors)('$name', ({ name, mbedtls, derHex }) => {
    const bytes = Buffer.from(derHex, 'hex');
    const walk = createCertificationRequestWalk();
    const isWalked = walkCertificationRequest(bytes, 0, bytes.length, walk);
    const verdict = isWalked ? 'walked' : `${walk.error}@${walk.errorOffset}`;
    if (name in verdicts) expect(verdict).toBe(verdicts[name]);
    else if (mbedtls === 'parses') expect(verdict).toBe('walked');
    else if (mbedtls.includes('UNKNOWN_SIG_ALG'))
      expect(walk.signatureAlgorithm).toBe('unsupported');
    else expect(isWalked).toBe(false);
  });
});
