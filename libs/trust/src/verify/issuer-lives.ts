import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { certificatesInPem, readCaCertificate } from '../hierarchy/ca-certificate.js';
import { formerFolderName } from '../hierarchy/issuer-paths.js';
import type { Issuer } from '../hierarchy/load-issuers.js';

/** What a certificate of an issuer says of those that are issued under it. */
export type IssuerLife = Pick<Issuer, 'subjectDer' | 'notBeforeMs' | 'notAfterMs'>;

/**
 * Of the issuer's certificate in force, first, and of those before renewals: what was issued while one was in force
 * was bounded by that. Those that cannot be read, or are of another key, are left out.
 */
export function livesOf(issuer: Issuer): readonly [IssuerLife, ...IssuerLife[]] {
  const folder = join(issuer.directory, formerFolderName);
  const former = (existsSync(folder) ? readdirSync(folder) : [])
    .filter((name) => name.endsWith('.pem'))
    .map((name) => lifeIn(join(folder, name), issuer));
  return [issuer, ...former.filter((life) => life !== undefined)];
}

function lifeIn(file: string, { spkiDer }: Issuer): IssuerLife | undefined {
  try {
    const [der = new Uint8Array()] = certificatesInPem(readFileSync(file, 'utf8'));
    const certificate = readCaCertificate(der, file);
    return Buffer.compare(certificate.spkiDer, spkiDer) === 0 ? certificate : undefined;
  } catch {
    return undefined;
  }
}
