import { readdirSync, statSync } from 'node:fs';
import { isSameBytes } from '../path/path-certificate.js';
import type { CaCertificate } from './ca-certificate.js';
import { certificateBySerial, keySha256Of } from './lost-keys.js';
import { isKeyLost, type RevokedCa } from './revoked-cas.js';

/** What a CRL says of a certificate. */
export type CrlListing = Pick<RevokedCa, 'reason' | 'revokedAtMs'>;

/** A folder that changed a moment ago may change again within the same tick of its file system's clock. */
const settledMs = 2_000;

interface KnownFolder {
  readonly stamp: string;
  readonly lost: ReadonlyMap<string, RevokedCa>;
}

/** The keys that a CRL says are lost, as far as folders keep the certificates that it lists. */
export class CrlLosses {
  /** By serial number, hex. */
  readonly listed: ReadonlyMap<string, CrlListing>;
  readonly #signerNameDer: Uint8Array;
  /** Each folder is read again where it has changed only: thousands of CAs ask for the same few keys. */
  readonly #known = new Map<string, KnownFolder>();

  constructor(signerNameDer: Uint8Array, revoked: ReadonlyMap<string, CrlListing>) {
    this.listed = new Map([...revoked].filter(([, entry]) => isKeyLost(entry)));
    this.#signerNameDer = signerNameDer;
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
    const serialNumberHex = Buffer.from(certificate.serialNumber).toString('hex');
    const entry = this.listed.get(serialNumberHex);
    if (entry === undefined || !this.#isListed(certificate, serialNumberHex)) return undefined;
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
      if (certificate === undefined || !this.#isListed(certificate, serialNumberHex)) continue;
      const keySha256 = keySha256Of(certificate.spkiDer);
      if (!lost.has(keySha256)) lost.set(keySha256, { ...listedCa(certificate, entry), keySha256 });
    }
    return { lost, isWhole };
  }

  #isListed({ issuerDer, serialNumber }: CaCertificate, serialNumberHex: string): boolean {
    return (
      isSameBytes(issuerDer, this.#signerNameDer) &&
      Buffer.from(serialNumber).toString('hex') === serialNumberHex
    );
  }
}

/** A certificate that a CRL lists, as a CA would record that it has revoked it. */
export function listedCa(ca: CaCertificate, entry: CrlListing): RevokedCa {
  const subject = ca.certificate.subject.replaceAll('\n', ', ');
  const serialNumberHex = Buffer.from(ca.serialNumber).toString('hex');
  return { serialNumberHex, subject, ...entry, notAfterMs: ca.notAfterMs };
}
