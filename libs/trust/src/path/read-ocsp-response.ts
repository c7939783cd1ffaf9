import { contextConstructed, contextPrimitive, oids, tags } from '@certmill/der';
import { type DerNode, oidOf, readDerNode } from '../lint/der-node.js';
import { secondsOf } from '../lint/field-rules.js';

const idPkixOcspBasic = '1.3.6.1.5.5.7.48.1.1';

const successful = 0;

/** RFC 6960 4.2.1; 4 is not used. */
export const ocspResponseStatuses: Readonly<Record<number, string>> = {
  0: 'successful',
  1: 'malformedRequest',
  2: 'internalError',
  3: 'tryLater',
  5: 'sigRequired',
  6: 'unauthorized',
};

export interface OcspCertId {
  /** OID of the hash. */
  readonly hashAlgorithm: string;
  readonly issuerNameHash: Uint8Array;
  readonly issuerKeyHash: Uint8Array;
  readonly serialNumber: Uint8Array;
}

export type OcspCertStatus =
  | { readonly state: 'good' | 'unknown' }
  | { readonly state: 'revoked'; readonly atSeconds: number; readonly reason: number | undefined };

export interface OcspSingleResponse {
  readonly certId: OcspCertId;
  readonly status: OcspCertStatus;
  readonly thisUpdateSeconds: number;
  /** NaN where absent, and where it is no time. */
  readonly nextUpdateSeconds: number;
  readonly hasNextUpdate: boolean;
  readonly extensions: DerNode | undefined;
}

/** `BasicOCSPResponse` (RFC 6960 4.2.1); nodes are views of the response. */
export interface BasicOcspResponse {
  readonly tbsResponseData: DerNode;
  readonly responder: { readonly name: DerNode } | { readonly keyHash: Uint8Array };
  readonly producedAtSeconds: number;
  readonly responses: readonly OcspSingleResponse[];
  readonly extensions: DerNode | undefined;
  readonly signatureAlgorithm: DerNode;
  /** Without the unused-bits octet. */
  readonly signature: Uint8Array;
  /** Certificates that came along, DER. */
  readonly certificates: readonly Uint8Array[];
}

export interface OcspResponse {
  readonly status: number;
  /** Undefined where the status is not `successful`, or the response type is another. */
  readonly basic: BasicOcspResponse | undefined;
}

/** `OCSPResponse` (RFC 6960 4.2.1); undefined where the bytes are anything else. */
export function readOcspResponse(der: Uint8Array): OcspResponse | undefined {
  const response = readDerNode(der);
  const [status, bytes, ...rest] = response?.children ?? [];
  if (response?.tag !== tags.sequence || status?.tag !== tags.enumerated || rest.length > 0) {
    return undefined;
  }
  const number = status.content[0] ?? -1;
  // What comes along with an error is no answer (RFC 6960 4.2.1).
  if (bytes === undefined || number !== successful) return { status: number, basic: undefined };
  const [type, octets] = bytes.children[0]?.children ?? [];
  if (bytes.tag !== contextConstructed(0) || octets?.tag !== tags.octetString) return undefined;
  if (oidOf(type) !== idPkixOcspBasic) return { status: number, basic: undefined };
  const basic = readBasic(octets.content);
  return basic && { status: number, basic };
}

function readBasic(der: Uint8Array): BasicOcspResponse | undefined {
  const [data, algorithm, signature, certificates] = readDerNode(der)?.children ?? [];
  if (data === undefined || algorithm === undefined || signature?.tag !== tags.bitString) {
    return undefined;
  }
  const fields = [...data.children];
  if (fields[0]?.tag === contextConstructed(0)) fields.shift();
  const [responderId, producedAt, responses, extensions] = fields;
  const responder = responderId && responderOf(responderId);
  if (responder === undefined || producedAt === undefined || responses === undefined) {
    return undefined;
  }
  const singles = responses.children.map(readSingle);
  if (singles.some((single) => single === undefined)) return undefined;
  return {
    tbsResponseData: data,
    responder,
    producedAtSeconds: secondsOf(producedAt),
    responses: singles.filter((single) => single !== undefined),
    extensions: extensions?.children[0],
    signatureAlgorithm: algorithm,
    signature: signature.content.subarray(1),
    certificates: (certificates?.children[0]?.children ?? []).map((node) => node.der),
  };
}

function responderOf(node: DerNode): BasicOcspResponse['responder'] | undefined {
  const [inner] = node.children;
  if (inner === undefined) return undefined;
  if (node.tag === contextConstructed(1)) return { name: inner };
  return node.tag === contextConstructed(2) ? { keyHash: inner.content } : undefined;
}

function readSingle(node: DerNode): OcspSingleResponse | undefined {
  const [certIdNode, statusNode, thisUpdate, ...rest] = node.children;
  const certId = certIdNode && readCertId(certIdNode);
  const status = statusNode && readStatus(statusNode);
  if (certId === undefined || status === undefined || thisUpdate === undefined) return undefined;
  const nextUpdateField = rest.find(({ tag }) => tag === contextConstructed(0));
  const nextUpdate = nextUpdateField?.children[0];
  return {
    certId,
    status,
    thisUpdateSeconds: secondsOf(thisUpdate),
    nextUpdateSeconds: nextUpdate === undefined ? Number.NaN : secondsOf(nextUpdate),
    hasNextUpdate: nextUpdateField !== undefined,
    extensions: rest.find(({ tag }) => tag === contextConstructed(1))?.children[0],
  };
}

/** `CertID` (RFC 6960 4.1.1). */
export function readCertId(node: DerNode): OcspCertId | undefined {
  const [algorithm, nameHash, keyHash, serialNumber] = node.children;
  const hashAlgorithm = oidOf(algorithm?.children[0]);
  if (
    hashAlgorithm === undefined ||
    nameHash?.tag !== tags.octetString ||
    keyHash?.tag !== tags.octetString ||
    serialNumber?.tag !== tags.integer
  ) {
    return undefined;
  }
  return {
    hashAlgorithm,
    issuerNameHash: nameHash.content,
    issuerKeyHash: keyHash.content,
    serialNumber: serialNumber.content,
  };
}

function readStatus(node: DerNode): OcspCertStatus | undefined {
  switch (node.tag) {
    case contextPrimitive(0):
      return { state: 'good' };
    case contextPrimitive(2):
      return { state: 'unknown' };
    case contextConstructed(1): {
      const [at, reason] = node.children;
      if (at === undefined) return undefined;
      return {
        state: 'revoked',
        atSeconds: secondsOf(at),
        reason: reason?.children[0]?.content[0],
      };
    }
    default:
      return undefined;
  }
}

/** Name of node:crypto for the hash of a CertID; undefined for others than SHA-1 and SHA-2. */
export function hashOfCertId({ hashAlgorithm }: OcspCertId): string | undefined {
  const hashes: Readonly<Record<string, string>> = {
    '1.3.14.3.2.26': 'sha1',
    [oids.id_sha256]: 'sha256',
    [oids.id_sha384]: 'sha384',
    [oids.id_sha512]: 'sha512',
  };
  return hashes[hashAlgorithm];
}
