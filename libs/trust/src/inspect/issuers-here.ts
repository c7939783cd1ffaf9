import type { DerNode } from '../lint/der-node.js';
import {
  isSameBytes,
  type PathCertificate,
  readPathCertificate,
} from '../path/path-certificate.js';
import { hexOf, nameView } from './view.js';

/** A certificate among those of an input. */
export interface PlacedCertificate {
  readonly position: number;
  readonly certificate: PathCertificate;
}

/** Who is asked for. */
export interface WantedIssuer {
  readonly name: DerNode;
  /** Of its key; undefined where it is not said. */
  readonly keyIdentifier: Uint8Array | undefined;
  /** Is tried first: most certificates that have their issuer's name signed themselves. */
  readonly self?: PlacedCertificate;
}

/**
 * `none` with the first of those that have the name and did not pass. `given-up`: too many have one name and
 * tell no key identifier; those that were tried did not pass.
 */
export type FoundIssuer =
  | { readonly kind: 'found'; readonly issuer: PlacedCertificate }
  | { readonly kind: 'none'; readonly first: PlacedCertificate | undefined }
  | { readonly kind: 'given-up' };

/** Tries that fail, for each certificate of an input and at least: what one asks too many, others have left. */
const failingTriesOfEach = 4;
const failingTriesAtLeast = 1_000;

/**
 * The certificates of an input by subject and key identifier, so that the issuers of many are found in a
 * time that grows with their number, whoever made them.
 */
export class IssuersHere {
  readonly certificates: readonly PlacedCertificate[];
  /** By subject, then by key identifier in hex; undefined where it has none. */
  readonly #bySubject = new Map<string, Map<string | undefined, PlacedCertificate[]>>();
  #failuresLeft: number;

  constructor(ders: readonly { readonly position: number; readonly der: Uint8Array }[]) {
    this.certificates = ders.flatMap(({ position, der }): PlacedCertificate[] => {
      const certificate = readPathCertificate(der);
      return certificate === undefined ? [] : [{ position, certificate }];
    });
    for (const placed of this.certificates) this.#add(placed);
    this.#failuresLeft = failingTriesAtLeast + failingTriesOfEach * this.certificates.length;
  }

  /** The first that has the name, contradicts no key identifier and passes. */
  find(wanted: WantedIssuer, passes: (issuer: PathCertificate) => boolean): FoundIssuer {
    let first: PlacedCertificate | undefined;
    for (const issuer of this.#candidates(wanted)) {
      if (this.#failuresLeft === 0) return { kind: 'given-up' };
      if (passes(issuer.certificate)) return { kind: 'found', issuer };
      first ??= issuer;
      this.#failuresLeft -= 1;
    }
    return { kind: 'none', first };
  }

  *#candidates({ name, keyIdentifier, self }: WantedIssuer): Generator<PlacedCertificate> {
    const named = this.#bySubject.get(comparable(name));
    if (named === undefined) return;
    const isItself = self !== undefined && isOwnIssuer(self.certificate);
    if (isItself) yield self;
    const lists =
      keyIdentifier === undefined
        ? named.values()
        : [named.get(hexOf(keyIdentifier)) ?? [], named.get(undefined) ?? []];
    for (const list of lists) {
      for (const placed of list) if (!isItself || placed !== self) yield placed;
    }
  }

  #add(placed: PlacedCertificate): void {
    const { certificate, subjectKeyIdentifier } = placed.certificate;
    const subject = comparable(certificate.subject);
    const named =
      this.#bySubject.get(subject) ?? new Map<string | undefined, PlacedCertificate[]>();
    this.#bySubject.set(subject, named);
    const identifier = subjectKeyIdentifier && hexOf(subjectKeyIdentifier);
    const same = named.get(identifier);
    if (same === undefined) named.set(identifier, [placed]);
    else same.push(placed);
  }
}

/** By name, and by key identifiers where it says both. */
function isOwnIssuer(of: PathCertificate): boolean {
  const { certificate, subjectKeyIdentifier: own, authorityKeyIdentifier: wanted } = of;
  if (comparable(certificate.subject) !== comparable(certificate.issuer)) return false;
  return own === undefined || wanted === undefined || isSameBytes(own, wanted);
}

/** The same for names that differ in string types, case and white space only (RFC 5280 7.1). */
function comparable(name: DerNode): string {
  return nameView(name).toLowerCase().replaceAll(/\s+/g, ' ');
}
