import { CertmillError } from './faults.js';
import type { BatchId } from './ids.js';

/** CRLReason (RFC 5280 5.3.1): names and numbers; 7 is not used. */
export const crlReasons = {
  unspecified: 0,
  keyCompromise: 1,
  cACompromise: 2,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  certificateHold: 6,
  removeFromCRL: 8,
  privilegeWithdrawn: 9,
  aACompromise: 10,
} as const;

export type CrlReason = keyof typeof crlReasons;
/** What a certificate can be revoked for: removeFromCRL stands in delta CRLs only. */
export type RevocationReason = Exclude<CrlReason, 'removeFromCRL'>;

export const revocationReasons = (Object.keys(crlReasons) as CrlReason[]).filter(
  (reason): reason is RevocationReason => reason !== 'removeFromCRL',
);

export function crlReasonOf(number: number): CrlReason | undefined {
  return (Object.keys(crlReasons) as CrlReason[]).find((name) => crlReasons[name] === number);
}

/**
 * Where the status of an issuer's certificates is told. It stands in every certificate, so it is fixed
 * when the issuer is made (ADR 0020).
 */
export interface StatusAddresses {
  /** `http://host[:port][/path]`, without a slash at its end. */
  readonly baseUri: string;
  /** Shards of its CRL; 0: one CRL of everything. */
  readonly crlShards: number;
}

export const maxCrlShards = 4_096;
/** Requests of a batch that share a shard: what is revoked together dirties few shards. */
const neighbours = 1_024;

/** Full CRLs of an issuer: one of each shard, one where it has none. */
export function crlCountOf({ crlShards }: Pick<StatusAddresses, 'crlShards'>): number {
  return Math.max(1, crlShards);
}

/** The shard of a request's certificate: a function of the request alone. 0 where there are none. */
export function crlShardOf(batchId: BatchId, index: number, crlShards: number): number {
  if (crlShards <= 1) return 0;
  const start = Number.parseInt(batchId.slice(0, 8), 16);
  return (start + Math.floor(index / neighbours)) % crlShards;
}

/** The URI of a scope's full CRL, as it stands in certificates and in its issuingDistributionPoint. */
export function crlUriOf({ baseUri }: StatusAddresses, issuer: string, shard: number): string {
  return `${baseUri}/crl/${issuer}/${String(shard)}.crl`;
}

/** The URI of a scope's delta CRL (freshestCRL, RFC 5280 5.2.6). */
export function deltaCrlUriOf({ baseUri }: StatusAddresses, issuer: string, shard: number): string {
  return `${baseUri}/crl/${issuer}/${String(shard)}.delta.crl`;
}

/**
 * The URI of the CRL of the CA certificates that an issuer has signed: a scope of its own, whose
 * issuingDistributionPoint says onlyContainsCACerts (RFC 5280 5.2.5).
 */
export function caCrlUriOf({ baseUri }: StatusAddresses, issuer: string): string {
  return `${baseUri}/crl/${issuer}/ca.crl`;
}

export function ocspUriOf({ baseUri }: StatusAddresses): string {
  return `${baseUri}/ocsp`;
}

/** The issuer's own certificate, DER (id-ad-caIssuers, RFC 5280 4.2.2.1). */
export function caIssuersUriOf({ baseUri }: StatusAddresses, issuer: string): string {
  return `${baseUri}/ca/${issuer}.cer`;
}

/**
 * Addresses from a command or a file. INVALID_INPUT where the URI is none of http, has a query, fragment
 * or credentials, or the shards are out of range.
 */
export function statusAddresses(baseUri: string, crlShards: number): StatusAddresses {
  const refuse = (reason: string): CertmillError =>
    new CertmillError('INVALID_INPUT', `the status address ${reason}`);
  if (!URL.canParse(baseUri)) throw refuse('is no URI');
  const { protocol, username, password, search, hash, href } = new URL(baseUri);
  // RFC 5280 8: a client that has to check a certificate to fetch its status goes in circles.
  if (protocol !== 'http:') throw refuse('must begin with http:// (RFC 5280 8)');
  if (username !== '' || password !== '') throw refuse('must not hold credentials');
  if (search !== '' || hash !== '') throw refuse('must not have a query or a fragment');
  if (!Number.isInteger(crlShards) || crlShards < 0 || crlShards > maxCrlShards) {
    throw refuse(`needs 0 to ${String(maxCrlShards)} CRL shards`);
  }
  return { baseUri: href.replace(/\/+$/, ''), crlShards };
}

/** Whether the validity of a certificate was over: it includes all of its last second (RFC 5280 4.1.2.5). */
export function hasExpired(notAfterMs: number, atMs: number): boolean {
  return atMs >= notAfterMs + 1_000;
}
