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
}

type Placed = RecordedRevocation & { readonly index: number };

/** Records of thousands, to be asked by serial number. */
export type RecordIndex = ReadonlyMap<string, readonly Placed[]>;

export function indexRecords(records: readonly RecordedRevocation[]): RecordIndex {
  const bySerial = new Map<string, Placed[]>();
  for (const [index, record] of records.entries()) {
    const same = bySerial.get(record.serialNumberHex);
    if (same === undefined) bySerial.set(record.serialNumberHex, [{ ...record, index }]);
    else same.push({ ...record, index });
  }
  return bySerial;
}

/** What the records say of a certificate: that it is revoked, or nothing. */
export function recordFindings(
  { certificate }: PathCertificate,
  issuer: PathCertificate,
  records: RecordIndex,
  atSeconds: number,
): readonly StatusFinding[] {
  const serialNumberHex = Buffer.from(certificate.serialNumber.content).toString('hex');
  const same = records.get(serialNumberHex) ?? [];
  return same.flatMap(({ index, ...record }): readonly StatusFinding[] => {
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
