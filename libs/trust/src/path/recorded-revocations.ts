import { hash } from 'node:crypto';
import type { RevocationReason } from '@certmill/domain';
import { isSameBytes, type PathCertificate } from './path-certificate.js';
import type { StatusFinding } from './status.js';

/** That a CA has revoked or holds a certificate, as whoever keeps the CA has noted it: in force before any CRL says so. */
export interface RecordedRevocation {
  /** Name and key of the CA, in DER: a CA that was renewed is the same one. */
  readonly issuerNameDer: Uint8Array;
  readonly issuerSpkiDer: Uint8Array;
  /** Lower-case hex, as in the certificate. */
  readonly serialNumberHex: string;
  readonly reason: RevocationReason;
  readonly revokedAtMs: number;
  /** SHA-256 of the SubjectPublicKeyInfo, hex, where the key is lost: every certificate over it is as this one. */
  readonly lostKeySha256?: string;
}

type Placed = RecordedRevocation & { readonly index: number };

/** Records of thousands, to be asked by serial number, and by the key that is lost. */
export type RecordIndex = ReadonlyMap<string, readonly Placed[]>;

export function indexRecords(records: readonly RecordedRevocation[]): RecordIndex {
  const found = new Map<string, Placed[]>();
  for (const [index, record] of records.entries()) {
    const { serialNumberHex, lostKeySha256 } = record;
    for (const id of [serialNumberHex, ...(lostKeySha256 === undefined ? [] : [lostKeySha256])]) {
      const same = found.get(id);
      if (same === undefined) found.set(id, [{ ...record, index }]);
      else same.push({ ...record, index });
    }
  }
  return found;
}

/** What the records say of a certificate: that it is revoked, or nothing. */
export function recordFindings(
  { certificate, subjectPKInfoDer }: PathCertificate,
  issuer: PathCertificate,
  records: RecordIndex,
  atSeconds: number,
): readonly StatusFinding[] {
  const serialNumberHex = Buffer.from(certificate.serialNumber.content).toString('hex');
  const bySerial = records.get(serialNumberHex) ?? [];
  const byKey = records.get(hash('sha256', subjectPKInfoDer, 'hex')) ?? [];
  const same = new Map([...bySerial, ...byKey].map((record) => [record.index, record]));
  return [...same.values()].flatMap(({ index, ...record }): readonly StatusFinding[] => {
    const revokedAtSeconds = Math.floor(record.revokedAtMs / 1_000);
    const isAbout =
      revokedAtSeconds <= atSeconds &&
      isSameBytes(record.issuerNameDer, issuer.certificate.subject.der) &&
      isSameBytes(record.issuerSpkiDer, issuer.subjectPKInfoDer);
    if (!isAbout) return [];
    return [
      {
        source: 'record',
        index,
        state: 'revoked',
        atSeconds: revokedAtSeconds,
        reason: record.reason,
        thisUpdateSeconds: NaN,
        nextUpdateSeconds: NaN,
      },
    ];
  });
}
