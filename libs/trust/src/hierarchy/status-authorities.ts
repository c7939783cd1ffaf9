import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { crlReasons, isName } from '@certmill/domain';
import { createCertificateWalk, walkCertificate, type CertIdRange } from '@certmill/der';
import { certStatusOf, OcspIssuers, type CaStatus, type OcspIssuer } from '@certmill/pipeline';
import { isErrorCode } from '../atomic-file.js';
import { isSameBytes } from '../path/path-certificate.js';
import type { CaSlot } from './ca-slot.js';
import { type ImportedCrl, ImportedCrlFolder } from './imported-crls.js';
import { issuedFolderName } from './issue-authority.js';
import type { IssuerCatalogue } from './issuer-catalogue.js';
import { caDirectoryOf, issuerPathsOf } from './issuer-paths.js';
import { type Issuer, readAuthority, readWholeAuthority } from './load-issuers.js';
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
/** CAs that one look takes in: each costs a millisecond or less, and requests wait. */
const takenPerLook = 100;

interface KnownCa {
  readonly ca: StatusAuthority;
  readonly revokedCas: readonly RevokedCa[];
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
  readonly #index = new OcspIssuers([]);
  /** Of names that were looked at, whether there was an issuer or not. */
  readonly #seen = new Set<string>();
  /** CAs that are no issuers of devices. */
  readonly #cas = new Map<string, KnownCa>();
  /** Issuer names of the certificates in chains, by serial number. */
  readonly #issued = new Map<string, Uint8Array[]>();
  readonly #walked = new Set<Uint8Array>();
  #lookedAtMs: number;
  #stamp = '';
  #isBehind = true;

  constructor(options: StatusAuthoritiesOptions) {
    this.#options = options;
    this.#crls = new ImportedCrlFolder(options.dataDirectory);
    this.#lookedAtMs = -Infinity;
    for (const issuer of options.catalogue.all) this.#takeIssuer(issuer);
    for (const authority of options.authorities) {
      if (authority.role === 'issuing') this.#walk(authority);
      else this.#takeCa(authority);
    }
    this.#takeImported();
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
    const crl = this.#crls.all().find(({ ca }) => ca === name);
    const revoked =
      known.revokedCas.find((entry) => entry.serialNumberHex === serialNumberHex) ??
      crl?.revoked.get(serialNumberHex);
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

  #caOf(name: string): KnownCa | undefined {
    const known = this.#cas.get(name);
    if (known === undefined) return undefined;
    if (this.#options.elapsedMs() - known.readAtMs < lookPauseMs) return known;
    const ca = readAuthority(this.#options.dataDirectory, name, undefined, this.#crls);
    if (ca === undefined) return { ...known, readAtMs: this.#options.elapsedMs() };
    return this.#keepCa(ca);
  }

  #hasIssued({ name, subjectDer }: StatusAuthority, serialNumberHex: string): boolean {
    const named = this.#issued.get(serialNumberHex) ?? [];
    if (named.some((issuerDer) => isSameBytes(issuerDer, subjectDer))) return true;
    const { directory } = issuerPathsOf(this.#options.dataDirectory, name);
    return existsSync(join(directory, issuedFolderName, `${serialNumberHex}.pem`));
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
    const ca = readWholeAuthority(dataDirectory, name, undefined, this.#crls);
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
    const known = { ca, revokedCas: ca.revokedCas, readAtMs: this.#options.elapsedMs() };
    this.#cas.set(ca.name, known);
    return known;
  }

  /** CAs of other folders: the certificate that verifies their CRL is all that is known of them. */
  #takeImported(): void {
    for (const crl of this.#crls.all()) {
      if (this.#cas.has(crl.ca) || this.#seen.has(crl.ca)) continue;
      const ca = authorityOf(crl);
      this.#index.add(ca);
      this.#cas.set(crl.ca, { ca, revokedCas: [], readAtMs: this.#options.elapsedMs() });
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
      const named = this.#issued.get(key) ?? [];
      if (!named.some((other) => isSameBytes(other, issuerDer))) {
        this.#issued.set(key, [...named, issuerDer]);
      }
    }
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
