import { hash } from 'node:crypto';
import { subjectPublicKeyHash, type CertIdRange } from '@certmill/der';
import type { RevocationReason } from '@certmill/domain';

/** A CA whose certificates a responder answers for. */
export interface OcspIssuer {
  readonly name: string;
  /** Subject Name element of its certificate, byte for byte. */
  readonly subjectDer: Uint8Array;
  readonly spkiDer: Uint8Array;
  /** By its parent: what it issued is worth nothing (RFC 6960 2.7). */
  readonly revoked?: { readonly revokedAtMs: number; readonly reason: RevocationReason };
}

/** How a CertID names an issuer (RFC 6960 4.1.1). */
export interface IssuerHashes {
  readonly nameHash: Uint8Array;
  readonly keyHash: Uint8Array;
}

export const certIdHashes = ['sha1', 'sha256'] as const;

export function issuerHashes(
  algorithm: (typeof certIdHashes)[number],
  { subjectDer, spkiDer }: Pick<OcspIssuer, 'subjectDer' | 'spkiDer'>,
): IssuerHashes {
  return {
    nameHash: hash(algorithm, subjectDer, 'buffer'),
    keyHash: subjectPublicKeyHash(algorithm, spkiDer),
  };
}

/** Issuers by the hashes of name and key. Those with the same of both are one to OCSP. */
export class OcspIssuers {
  readonly #byHashes = new Map<string, OcspIssuer[]>();

  constructor(issuers: Iterable<OcspIssuer>) {
    for (const issuer of issuers) this.add(issuer);
  }

  add(issuer: OcspIssuer): void {
    for (const algorithm of certIdHashes) {
      const { nameHash, keyHash } = issuerHashes(algorithm, issuer);
      const key = keyOf(algorithm, nameHash, keyHash);
      this.#byHashes.set(key, [...(this.#byHashes.get(key) ?? []), issuer]);
    }
  }

  /** Those that a CertID in `bytes` names, usually one; empty where none is ours. */
  named(bytes: Uint8Array, certId: CertIdRange): readonly OcspIssuer[] {
    const nameHash = bytes.subarray(certId.issuerNameHashStart, certId.issuerNameHashEnd);
    const keyHash = bytes.subarray(certId.issuerKeyHashStart, certId.issuerKeyHashEnd);
    return this.#byHashes.get(keyOf(certId.hash, nameHash, keyHash)) ?? [];
  }
}

function keyOf(algorithm: string, nameHash: Uint8Array, keyHash: Uint8Array): string {
  return `${algorithm}:${Buffer.concat([nameHash, keyHash]).toString('latin1')}`;
}
