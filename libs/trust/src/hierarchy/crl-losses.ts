import { hash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import {
  isSameBytes,
  type PathCertificate,
  readPathCertificate,
} from '../path/path-certificate.js';
import { signatureVerdictOf } from '../path/verify-signature.js';
import type { CaCertificate } from './ca-certificate.js';
import { certificateBySerial, keySha256Of } from './lost-keys.js';
import { isKeyLost, type RevokedCa } from './revoked-cas.js';

/** What a CRL says of a certificate. */
export type CrlListing = Pick<RevokedCa, 'reason' | 'revokedAtMs'>;

/** A folder that changed a moment ago may change again within the same tick of its file system's clock. */
const settledMs = 2_000;

/** A certificate that a CRL may list. */
export interface ListableCertificate {
  readonly der: Uint8Array;
  readonly issuerDer: Uint8Array;
  readonly serialNumberHex: string;
}

interface KnownFolder {
  readonly stamp: string;
  readonly lost: ReadonlyMap<string, RevokedCa>;
}

/** The keys that a CRL says are lost, as far as folders keep the certificates that it lists. */
export class CrlLosses {
  /** By serial number, hex. */
  readonly listed: ReadonlyMap<string, CrlListing>;
  readonly #signer: PathCertificate;
  /** Of certificates, by their SHA-256, whether the signer has signed them: thousands of chains have the same few. */
  readonly #signed = new Map<string, boolean>();
  /** Each folder is read again where it has changed only: thousands of CAs ask for the same few keys. */
  readonly #known = new Map<string, KnownFolder>();

  constructor(signer: PathCertificate, revoked: ReadonlyMap<string, CrlListing>) {
    this.listed = new Map([...revoked].filter(([, entry]) => isKeyLost(entry)));
    this.#signer = signer;
  }

  /**
   * Whether the list says that the key of the certificate is lost. Another CA of the same name (RFC 5280 4.1.2.6 asks
   * for one key each) may have given the number, too: its signature does not verify with this one's key. One by an
   * algorithm that is not known here counts.
   */
  lists({ der, issuerDer, serialNumberHex }: ListableCertificate): boolean {
    return (
      this.listed.has(serialNumberHex) &&
      isSameBytes(issuerDer, this.#signer.certificate.subject.der) &&
      this.#maySign(der)
    );
  }

  /** By `keySha256Of`, with an entry that says so. @param folder that keeps certificates by their serial numbers. */
  in(folder: string): ReadonlyMap<string, RevokedCa> {
    const found = this.listed.size === 0 ? undefined : statSync(folder, { throwIfNoEntry: false });
    if (found?.isDirectory() !== true) return new Map();
    const stamp = `${String(found.ino)} ${String(found.mtimeMs)}`;
    const known = this.#known.get(folder);
    if (known?.stamp === stamp) return known.lost;
    const { lost, isWhole } = this.#read(folder);
    const isSettled = Date.now() - found.mtimeMs > settledMs;
    // What cannot be read now, or is half copied, is read at the next look.
    if (isWhole && isSettled) this.#known.set(folder, { stamp, lost });
    return lost;
  }

  /** What says that the key of a certificate is lost: its own entry. */
  of(certificate: CaCertificate): RevokedCa | undefined {
    const parts = partsOf(certificate);
    const entry = this.listed.get(parts.serialNumberHex);
    if (entry === undefined || !this.lists(parts)) return undefined;
    return { ...listedCa(certificate, entry), keySha256: keySha256Of(certificate.spkiDer) };
  }

  #read(folder: string): {
    readonly lost: ReadonlyMap<string, RevokedCa>;
    readonly isWhole: boolean;
  } {
    const lost = new Map<string, RevokedCa>();
    const names = new Set(readdirSync(folder));
    let isWhole = true;
    for (const [serialNumberHex, entry] of this.listed) {
      if (!names.has(`${serialNumberHex}.pem`)) continue;
      const certificate = certificateBySerial([folder], serialNumberHex);
      if (certificate === undefined) isWhole = false;
      if (certificate === undefined) continue;
      const found = partsOf(certificate);
      if (found.serialNumberHex !== serialNumberHex || !this.lists(found)) continue;
      const keySha256 = keySha256Of(certificate.spkiDer);
      if (!lost.has(keySha256)) lost.set(keySha256, { ...listedCa(certificate, entry), keySha256 });
    }
    return { lost, isWhole };
  }

  #maySign(der: Uint8Array): boolean {
    const key = hash('sha256', der);
    const known = this.#signed.get(key);
    if (known !== undefined) return known;
    const certificate = readPathCertificate(der);
    const may =
      certificate === undefined || signatureVerdictOf(this.#signer, certificate) !== 'bad';
    this.#signed.set(key, may);
    return may;
  }
}

function partsOf({ der, issuerDer, serialNumber }: CaCertificate): ListableCertificate {
  return { der, issuerDer, serialNumberHex: Buffer.from(serialNumber).toString('hex') };
}

/** A certificate that a CRL lists, as a CA would record that it has revoked it. */
export function listedCa(ca: CaCertificate, entry: CrlListing): RevokedCa {
  const subject = ca.certificate.subject.replaceAll('\n', ', ');
  const serialNumberHex = Buffer.from(ca.serialNumber).toString('hex');
  return { serialNumberHex, subject, ...entry, notAfterMs: ca.notAfterMs };
}
