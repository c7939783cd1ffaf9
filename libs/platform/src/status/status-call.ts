import { hash } from 'node:crypto';
import { readOcspRequest, type CertIdRange } from '@certmill/der';

/** What a client asks of the status face. */
export type StatusCall =
  /** Of an OCSPRequest, whatever else stood in the call. Empty: what came is none. */
  | { readonly kind: 'ocsp'; readonly requestDer: Uint8Array }
  /** A CRL or a certificate of a CA. */
  | { readonly kind: 'published'; readonly path: string; readonly ifNoneMatch?: string };

export interface HttpCall {
  readonly method: 'GET' | 'POST';
  /** With its query, as it came. */
  readonly url: string;
  /** Empty for GET. */
  readonly body: Uint8Array;
  readonly ifNoneMatch?: string | undefined;
}

/** `POST /ocsp`, `GET /ocsp/<base64>` (RFC 6960 A.1), with what proxies put before. */
const ocspPath = /^(?:\/.*?)?\/ocsp(?:\/(.*))?$/;
const base64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** Undefined where nothing is told. */
export function readStatusCall(call: HttpCall): StatusCall | undefined {
  const { method, url, body, ifNoneMatch } = call;
  const path = url.split('?', 1)[0] ?? '';
  const inPath = ocspPath.exec(path);
  if (inPath !== null) {
    return { kind: 'ocsp', requestDer: method === 'POST' ? body : decoded(inPath[1] ?? '') };
  }
  if (method === 'POST') return undefined;
  return { kind: 'published', path, ...(ifNoneMatch === undefined ? {} : { ifNoneMatch }) };
}

/** The base64 in a path may be escaped or not: clients do either, `/` among it too. */
function decoded(text: string): Uint8Array {
  try {
    const unescaped = decodeURIComponent(text);
    if (base64.test(unescaped)) return Buffer.from(unescaped, 'base64');
  } catch {
    // What is escaped wrongly is no base64 either.
  }
  return new Uint8Array();
}

/** A request whose answer others may get as well. */
export interface SharedRequest {
  readonly key: string;
  readonly certIds: readonly CertIdRange[];
}

/** A CertID of the hashes that are known has 105 at most; hashing one costs more than its octets. */
const maxPlainKeyBytes = 128;

/**
 * The key is the same for requests that have one answer for all who send them: about the same certificates, in the
 * same order. Whoever signed a request, or padded it, gets what others get. Undefined where a nonce makes
 * the answer the client's own, and where the request is malformed.
 */
export function readSharedRequest(
  requestDer: Uint8Array,
  echoesNonces: boolean,
): SharedRequest | undefined {
  const read = readOcspRequest(requestDer, 0, requestDer.length);
  if (!read.ok) return undefined;
  const { certIds, nonceStart, hasUnknownCritical } = read.value;
  if (hasUnknownCritical || (echoesNonces && nonceStart >= 0)) return undefined;
  const [first] = certIds;
  if (certIds.length === 1 && first !== undefined && first.end - first.start <= maxPlainKeyBytes) {
    const { buffer, byteOffset } = requestDer;
    const certId = Buffer.from(buffer, byteOffset + first.start, first.end - first.start);
    return { key: certId.toString('latin1'), certIds };
  }
  const asked = certIds.map(({ start, end }) => requestDer.subarray(start, end));
  return { key: hash('sha256', Buffer.concat(asked), 'base64'), certIds };
}
