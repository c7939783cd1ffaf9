import { createPublicKey } from 'node:crypto';
import { CertmillError } from '@certmill/domain';
import { decryptPrivateKey } from '../keys/encrypted-private-key.js';
import { openSerialKeys } from '../keys/serial-keys.js';
import { certificatesInGivenPem, readCaCertificate } from './ca-certificate.js';
import { checkWorkingChain } from './check-chain.js';
import { withCaLock } from './folder-lock.js';
import { assertNoIssuer, writeIssuerFolder } from './issuer-folder.js';
import { assertIssuerName } from './issuer-paths.js';
import { type Issuer, loadIssuer } from './load-issuers.js';
import { assertGoodStanding } from './taken-in.js';

export interface ImportOptions {
  readonly name: string;
  /** The data folder. */
  readonly directory: string;
  /** PEM 'ENCRYPTED PRIVATE KEY' (PKCS#8): P-256, P-384, P-521, Ed25519 or RSA. */
  readonly keyPem: string;
  readonly keyPassphrase: string;
  /** PEM certificates: issuing CA first, root last. */
  readonly chainPem: string;
  /** Encrypts the key in the data folder. */
  readonly passphrase: string;
  readonly nowMs: number;
}

/**
 * Takes an issuing key with its chain into a data folder, after checking that the key belongs to the
 * first certificate and that the chain is one (`checkWorkingChain`). Nothing is written on an error.
 * Throws INVALID_INPUT with the reason, FAULT_KEY_MISMATCH for another key's certificate, CONFLICT
 * where the issuer is there, and as `assertGoodStanding`.
 */
export async function importIssuer(options: ImportOptions): Promise<Issuer> {
  const { name, directory } = options;
  assertIssuerName(name);
  if (options.passphrase === '')
    throw new CertmillError('INVALID_INPUT', 'the passphrase is empty');
  await assertNoIssuer(directory, name);
  const chain = certificatesInGivenPem(options.chainPem).map((der, index) =>
    readCaCertificate(der, `certificate ${String(index + 1)} of the chain`),
  );
  const [issuing] = chain;
  if (issuing === undefined) {
    throw new CertmillError('INVALID_INPUT', 'the chain holds no PEM certificate');
  }
  if (issuing.keyIdentifier.length === 0) {
    throw new CertmillError(
      'INVALID_INPUT',
      'the issuing certificate has no subjectKeyIdentifier, which every CA must have (RFC 5280 4.2.1.2)',
    );
  }
  checkWorkingChain(chain, options.nowMs);
  const key = decryptPrivateKey(options.keyPem, options.keyPassphrase, 'the issuing key');
  const spkiDer = createPublicKey(key).export({ format: 'der', type: 'spki' });
  if (Buffer.compare(spkiDer, issuing.spkiDer) !== 0) {
    throw new CertmillError(
      'FAULT_KEY_MISMATCH',
      'the issuing key does not belong to the first certificate of the chain',
    );
  }
  const folder = {
    chainDer: chain.map(({ der }) => der),
    key: { pkcs8Der: key.export({ format: 'der', type: 'pkcs8' }), passphrase: options.passphrase },
  };
  await openSerialKeys(directory);
  await withCaLock(directory, async () => {
    const parent = assertGoodStanding(directory, name, [issuing, ...chain.slice(1)])?.name;
    await writeIssuerFolder(directory, name, {
      ...folder,
      ...(parent === undefined ? {} : { description: { role: 'issuing', parent } }),
    });
  });
  return loadIssuer(directory, name);
}
