import { createPublicKey, X509Certificate } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CertmillError, crlReasons, isName } from '@certmill/domain';
import { createCertificateWalk, walkCertificate, type CertIdRange } from '@certmill/der';
import { certStatusOf, OcspIssuers, type CaStatus, type OcspIssuer } from '@certmill/pipeline';
import { isErrorCode } from '../atomic-file.js';
import { isSameBytes } from '../path/path-certificate.js';
import { certificatesInPem, readCaCertificate } from './ca-certificate.js';
import type { CaSlot } from './ca-slot.js';
import type { CrlListing } from './crl-losses.js';
import { CasByKey } from './cas-by-key.js';
import { type ImportedCrl, ImportedCrlFolder } from './imported-crls.js';
import type { IssuerCatalogue } from './issuer-catalogue.js';
import {
  caDirectoryOf,
  formerFolderName,
  issuedFolderName,
  issuerPathsOf,
} from './issuer-paths.js';
import { type Issuer, readAuthority, readWholeAuthority } from './load-issuers.js';
import { certificateBySerial, keySha256Of, lostKeysOf } from './lost-keys.js';
import type { RevokedCa } from './revoked-cas.js';

/** A CA of which a responder can speak. */
export interface StatusAuthority extends OcspIssuer {
  readonly chainDer: readonly Uint8Array[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Its key is in its folder. */
  readonly hasKey: boolean;
  /** The module that has its key, where it is in one. */
  readonly slot?: CaSlot;
}

export interface StatusAuthoritiesOptions {
  readonly dataDirectory: string;
  readonly catalogue: Pick<IssuerCatalogue, 'all' | 'find' | 'add'>;
  /** The CAs of the folder as they were at the start, issuers or not. */
  readonly authorities: readonly Issuer[];
  /** Milliseconds that only grow. */
  readonly elapsedMs: () => number;
}

/** Between two looks at the folder, and at what a CA has revoked. */
const lookPauseMs = 1_000;
/** Between two looks for renewals: each is a file or two of every CA in the folder. */
const renewalPauseMs = 10_000;
/** CAs that one look takes in: each costs a millisecond or less, and requests wait. */
const takenPerLook = 100;

/** A CA certificate, and the key that signed it once it has been looked for. */
interface IssuedCa {
  readonly der: Uint8Array;
  readonly issuerDer: Uint8Array;
  signerDer?: Uint8Array;
  /** As `keySha256Of`, once it has been asked for. */
  keySha256?: string;
}

interface KnownCa {
  readonly ca: StatusAuthority;
  readonly revokedCas: readonly RevokedCa[];
  readonly lostKeys: ReadonlyMap<string, RevokedCa>;
  readonly readAtMs: number;
}

/**
 * Who can be asked for the status of certificates: the issuers of the catalogue, the CAs above them in the
 * folder, and those whose CRL was taken in, all as they are now. A CA that is added is known within a
 * second of being asked for, and so is what a CA revokes.
 */
export class StatusAuthorities {
  readonly #options: StatusAuthoritiesOptions;
  readonly #crls: ImportedCrlFolder;
  readonly #casByKey: CasByKey;
  readonly #index = new OcspIssuers([]);
  /** Of names that were looked at, whether there was an issuer or not. */
  readonly #seen = new Set<string>();
  /** CAs that are no issuers of devices. */
  readonly #cas = new Map<string, KnownCa>();
  /** CA certificates of the folder, in force or before, by serial number. */
  readonly #issued = new Map<string, IssuedCa[]>();
  readonly #walked = new Set<Uint8Array>();
  /** The certificate in force and the folder of former ones, of CAs that have some, as they were when all were read. */
  readonly #renewals = new Map<string, string>();
  #renewalsLookedAtMs = -Infinity;
  #lookedAtMs: number;
  #stamp = '';
  #isBehind = true;
  #onFault: (error: CertmillError) => void = () => undefined;

  constructor(options: StatusAuthoritiesOptions) {
    this.#options = options;
    this.#crls = new ImportedCrlFolder(options.dataDirectory);
    this.#casByKey = new CasByKey(options.dataDirectory);
    this.#lookedAtMs = -Infinity;
    for (const issuer of options.catalogue.all) this.#takeIssuer(issuer);
    for (const authority of options.authorities) {
      if (authority.role === 'issuing') this.#walk(authority);
      else this.#takeCa(authority);
    }
    this.#takeImported();
  }

  /** Tells from now on of what cannot be read in the folder while all else is served. */
  tellFaults(onFault: (error: CertmillError) => void): void {
    this.#onFault = onFault;
  }

  /** Those that a CertID in `bytes` names, as they are now; empty where none is ours. */
  named(bytes: Uint8Array, certId: CertIdRange): readonly OcspIssuer[] {
    let named = this.#index.named(bytes, certId);
    if (named.length === 0 && this.#look()) named = this.#index.named(bytes, certId);
    return named.map(({ name }) => this.find(name)).filter((ca) => ca !== undefined);
  }

  /** Undefined for an unknown name. */
  find(name: string): StatusAuthority | undefined {
    return this.#caOf(name)?.ca ?? this.#options.catalogue.find(name);
  }

  /**
   * What a CA says of a CA certificate; undefined where it is none that the CA has signed, as far as is
   * known here. Where its CRL tells, the status is of the CRL's time, and `untold` once it is over.
   */
  caStatus(name: string, serialNumber: Uint8Array, nowMs: number): CaStatus | undefined {
    const known = this.#caOf(name);
    if (known === undefined) return undefined;
    const serialNumberHex = Buffer.from(serialNumber).toString('hex');
    const crl = this.#crls.named(name);
    const revoked =
      known.revokedCas.find((entry) => entry.serialNumberHex === serialNumberHex) ??
      crl?.revoked.get(serialNumberHex) ??
      this.#lossOf(known, serialNumberHex, crl);
    if (revoked === undefined && !this.#hasIssued(known.ca, serialNumberHex)) return undefined;
    const status =
      revoked === undefined
        ? certStatusOf(known.ca, { state: 'good' })
        : ({
            kind: 'revoked',
            atSeconds: Math.floor(revoked.revokedAtMs / 1_000),
            reasonNumber: crlReasons[revoked.reason],
          } as const);
    if (crl === undefined || status.kind === 'revoked') return { status };
    if (nowMs >= crl.nextUpdateMs) return 'untold';
    const { thisUpdateMs, nextUpdateMs } = crl;
    return {
      status,
      thisUpdateSeconds: thisUpdateMs / 1_000,
      nextUpdateSeconds: nextUpdateMs / 1_000,
    };
  }

  /** Of a certificate that nobody has named, that another one over its key was revoked because the key is lost. */
  #lossOf(
    { ca, lostKeys }: KnownCa,
    serialNumberHex: string,
    crl: ImportedCrl | undefined,
  ): CrlListing | undefined {
    if (lostKeys.size === 0 && (crl?.losses.listed.size ?? 0) === 0) return undefined;
    const key = this.#keyOf(ca, serialNumberHex);
    if (key === undefined) return undefined;
    return lostKeys.get(key) ?? (crl && this.#listedLossOf(ca, key, crl));
  }

  #listedLossOf(ca: StatusAuthority, key: string, { losses }: ImportedCrl): CrlListing | undefined {
    const inFolder = losses.in(this.#issuedFolderOf(ca)).get(key);
    if (inFolder !== undefined) return inFolder;
    for (const [serialNumberHex, entry] of losses.listed) {
      const isKnown = this.#issued.has(serialNumberHex) || this.#lookAtRenewals();
      if (isKnown && this.#knownKeyOf(ca, serialNumberHex) === key) return entry;
    }
    return undefined;
  }

  /** As `keySha256Of`, of a certificate that the CA has signed; undefined where it is not known. */
  #keyOf(ca: StatusAuthority, serialNumberHex: string): string | undefined {
    if (!this.#hasIssued(ca, serialNumberHex)) return undefined;
    const known = this.#knownKeyOf(ca, serialNumberHex);
    if (known !== undefined) return known;
    const certificate = certificateBySerial([this.#issuedFolderOf(ca)], serialNumberHex);
    return certificate && keySha256Of(certificate.spkiDer);
  }

  /** The same of one that stands in a chain, or did. */
  #knownKeyOf(ca: StatusAuthority, serialNumberHex: string): string | undefined {
    const issued = this.#knownOf(ca, serialNumberHex);
    if (issued === undefined) return undefined;
    return (issued.keySha256 ??= keySha256Of(
      readCaCertificate(issued.der, 'a CA certificate').spkiDer,
    ));
  }

  #issuedFolderOf({ name }: StatusAuthority): string {
    return join(issuerPathsOf(this.#options.dataDirectory, name).directory, issuedFolderName);
  }

  #caOf(name: string): KnownCa | undefined {
    const known = this.#cas.get(name);
    if (known === undefined) return undefined;
    if (this.#options.elapsedMs() - known.readAtMs < lookPauseMs) return known;
    const ca = readAuthority(
      this.#options.dataDirectory,
      name,
      undefined,
      this.#crls,
      this.#casByKey,
    );
    if (ca === undefined) return { ...known, readAtMs: this.#options.elapsedMs() };
    return this.#keepCa(ca);
  }

  #hasIssued(ca: StatusAuthority, serialNumberHex: string): boolean {
    if (this.#knownOf(ca, serialNumberHex) !== undefined) return true;
    if (existsSync(join(this.#issuedFolderOf(ca), `${serialNumberHex}.pem`))) return true;
    return this.#lookAtRenewals() && this.#knownOf(ca, serialNumberHex) !== undefined;
  }

  /** Undefined also where another key of the name has signed it. */
  #knownOf(
    { subjectDer, spkiDer }: StatusAuthority,
    serialNumberHex: string,
  ): IssuedCa | undefined {
    return this.#issued.get(serialNumberHex)?.find((issued) => {
      if (!isSameBytes(issued.issuerDer, subjectDer)) return false;
      if (issued.signerDer !== undefined) return isSameBytes(issued.signerDer, spkiDer);
      if (!isSignedBy(issued.der, spkiDer)) return false;
      issued.signerDer = spkiDer;
      return true;
    });
  }

  /**
   * Takes in the certificates that renewals have replaced, and those in their place. False where there is
   * none that is new, or the last look was a moment ago.
   */
  #lookAtRenewals(): boolean {
    const now = this.#options.elapsedMs();
    if (now - this.#renewalsLookedAtMs < renewalPauseMs) return false;
    this.#renewalsLookedAtMs = now;
    let isNew = false;
    for (const name of this.#namesInFolder()) {
      try {
        if (this.#takeRenewals(name)) isNew = true;
      } catch (cause) {
        this.#tell(name, cause);
      }
    }
    return isNew;
  }

  /** False where the CA has no renewals that are new. What cannot be read hides nothing else. */
  #takeRenewals(name: string): boolean {
    const { directory, certificateFile } = issuerPathsOf(this.#options.dataDirectory, name);
    const former = join(directory, formerFolderName);
    if (!existsSync(former)) return false;
    const stamp = `${stampOf(certificateFile)} ${stampOf(former)}`;
    if (this.#renewals.get(name) === stamp) return false;
    const files = readdirSync(former).filter((file) => file.endsWith('.pem'));
    let isWhole = true;
    for (const file of [certificateFile, ...files.map((each) => join(former, each))]) {
      if (!this.#takeFile(name, file)) isWhole = false;
    }
    // Not before all are read: what cannot be read now, or is half copied, is read at the next look.
    if (isWhole) this.#renewals.set(name, stamp);
    return true;
  }

  /** False where the file cannot be read, or holds no certificate. */
  #takeFile(name: string, file: string): boolean {
    try {
      const chainDer = certificatesInPem(readFileSync(file, 'utf8'));
      this.#walk({ chainDer });
      return chainDer.length > 0;
    } catch (cause) {
      this.#tell(name, cause);
      return false;
    }
  }

  #tell(name: string, cause: unknown): void {
    const what = `the certificates that ca/${name} had before cannot be read`;
    this.#onFault(new CertmillError('FAULT_STORE_CORRUPT', what, { cause }));
  }

  /** False where nothing has changed since the last look, or that was a moment ago. */
  #look(): boolean {
    const now = this.#options.elapsedMs();
    if (now - this.#lookedAtMs < lookPauseMs) return false;
    this.#lookedAtMs = now;
    const stamp = `${stampOf(caDirectoryOf(this.#options.dataDirectory))} ${this.#crls.stamp()}`;
    if (stamp === this.#stamp && !this.#isBehind) return false;
    this.#stamp = stamp;
    const fresh = this.#namesInFolder().filter((name) => !this.#seen.has(name));
    const taken = fresh.slice(0, takenPerLook).filter((name) => this.#take(name));
    this.#isBehind = taken.length < fresh.length;
    this.#takeImported();
    return true;
  }

  #namesInFolder(): readonly string[] {
    try {
      return readdirSync(caDirectoryOf(this.#options.dataDirectory)).filter(isName);
    } catch (error) {
      if (isErrorCode(error, 'ENOENT')) return [];
      throw error;
    }
  }

  /** False where the folder is not whole: it may be being filled, and is looked at again. */
  #take(name: string): boolean {
    const issuer = this.#options.catalogue.add(name);
    if (issuer !== undefined) {
      this.#takeIssuer(issuer);
      return true;
    }
    const { dataDirectory } = this.#options;
    const ca = readWholeAuthority(dataDirectory, name, undefined, this.#crls, this.#casByKey);
    if (ca === undefined) return false;
    if (ca.role === 'issuing') this.#seen.add(name);
    else this.#takeCa(ca);
    return true;
  }

  #takeIssuer(issuer: Issuer): void {
    this.#seen.add(issuer.name);
    this.#index.add(issuer);
    this.#walk(issuer);
  }

  #takeCa(ca: Issuer): void {
    this.#seen.add(ca.name);
    this.#index.add(ca);
    this.#keepCa(ca);
    this.#walk(ca);
  }

  #keepCa(ca: Issuer): KnownCa {
    const known = {
      ...{ ca, revokedCas: ca.revokedCas, lostKeys: lostKeysOf(ca) },
      readAtMs: this.#options.elapsedMs(),
    };
    this.#cas.set(ca.name, known);
    return known;
  }

  /**
   * CAs of other folders: the certificate that verifies their CRL is all that is known of them. Of a CA whose CRL is
   * damaged nothing is told.
   */
  #takeImported(): void {
    for (const crl of this.#crls.look().crls) {
      if (this.#cas.has(crl.ca) || this.#seen.has(crl.ca)) continue;
      const ca = authorityOf(crl);
      this.#index.add(ca);
      this.#cas.set(crl.ca, {
        ...{ ca, revokedCas: [], lostKeys: new Map() },
        readAtMs: this.#options.elapsedMs(),
      });
    }
  }

  /** Notes which certificates a chain has: each was signed by the one above. */
  #walk({ chainDer }: Pick<Issuer, 'chainDer'>): void {
    const walk = createCertificateWalk();
    for (const der of chainDer) {
      if (this.#walked.has(der) || !walkCertificate(der, 0, der.length, walk)) continue;
      this.#walked.add(der);
      const serialNumber = der.subarray(walk.serialNumberStart, walk.serialNumberEnd);
      const key = Buffer.from(serialNumber).toString('hex');
      const issuerDer = der.subarray(walk.issuerStart, walk.issuerEnd);
      const known = this.#issued.get(key) ?? [];
      if (!known.some((other) => isSameBytes(other.der, der))) {
        this.#issued.set(key, [...known, { der, issuerDer }]);
      }
    }
  }
}

/** False also where the certificate or the key cannot be read. */
function isSignedBy(der: Uint8Array, spkiDer: Uint8Array): boolean {
  try {
    const key = createPublicKey({ key: Buffer.from(spkiDer), format: 'der', type: 'spki' });
    return new X509Certificate(der).verify(key);
  } catch {
    return false;
  }
}

function authorityOf({ ca: name, signer }: ImportedCrl): StatusAuthority {
  return {
    name,
    subjectDer: signer.certificate.subject.der,
    spkiDer: signer.subjectPKInfoDer,
    chainDer: [signer.der],
    notBeforeMs: signer.notBeforeSeconds * 1_000,
    notAfterMs: signer.notAfterSeconds * 1_000,
    hasKey: false,
  };
}

function stampOf(directory: string): string {
  const found = statSync(directory, { throwIfNoEntry: false });
  return found === undefined ? '' : `${String(found.ino)} ${String(found.mtimeMs)}`;
}
