import {
  requestOfSerialNumber,
  serialKeyIdOf,
  type BatchId,
  type CertificateStatus,
  type SerialKey,
  type TenantId,
} from '@certmill/domain';
import { walkCertificate, createCertificateWalk } from '@certmill/der';
import type { CertificateStore, StoredRequest } from '@certmill/ports';
import { issuerNameOf, resultsOf, type Result } from './read-results.js';

export interface FoundCertificate {
  readonly tenant: TenantId;
  readonly batchId: BatchId;
  /** Name of the issuer that signed it. */
  readonly issuer: string;
  readonly result: Result & { readonly certificateDer: Uint8Array };
  readonly status: CertificateStatus;
}

export interface FindPorts {
  readonly certificates: CertificateStore;
  /** By id; look-ups may hold serial keys, they certify nothing. */
  readonly serialKeys: ReadonlyMap<number, SerialKey>;
}

/** Answers of one look-up by device or key; a device has a handful of certificates in its life. */
const maxFound = 100;

/**
 * The certificate of a serial number: the number leads back to its request, no index is read.
 * Undefined for numbers that are not ours, of another tenant, or not issued.
 */
export async function findBySerialNumber(
  ports: FindPorts,
  tenant: TenantId,
  serialNumber: Uint8Array,
): Promise<FoundCertificate | undefined> {
  const keyId = serialKeyIdOf(serialNumber);
  const serialKey = keyId === undefined ? undefined : ports.serialKeys.get(keyId);
  if (serialKey === undefined) return undefined;
  const { batchId, index } = requestOfSerialNumber(serialKey, serialNumber);
  const chunk = await ports.certificates.findChunk(tenant, batchId, index);
  const segment = chunk && (await ports.certificates.getSegment(chunk));
  if (chunk === undefined || segment === undefined) return undefined;
  const found = await describe(ports, { ...chunk, index, segment });
  if (found === undefined) return undefined;
  return Buffer.compare(serialNumberOf(found.result.certificateDer), serialNumber) === 0
    ? found
    : undefined;
}

export async function findByUdid(
  ports: FindPorts,
  tenant: TenantId,
  udid: Uint8Array,
): Promise<readonly FoundCertificate[]> {
  return describeAll(ports, await ports.certificates.findByUdid(tenant, udid, maxFound));
}

export async function findByDevice(
  ports: FindPorts,
  tenant: TenantId,
  deviceId: string,
): Promise<readonly FoundCertificate[]> {
  return describeAll(ports, await ports.certificates.findByDevice(tenant, deviceId, maxFound));
}

async function describeAll(
  ports: FindPorts,
  requests: readonly StoredRequest[],
): Promise<readonly FoundCertificate[]> {
  const found = await Promise.all(requests.map((request) => describe(ports, request)));
  return found.filter((entry) => entry !== undefined);
}

async function describe(
  ports: FindPorts,
  request: StoredRequest,
): Promise<FoundCertificate | undefined> {
  const { tenant, batchId, index } = request;
  const result = resultsOf(request.segment).find((entry) => entry.index === index);
  const certificateDer = result?.certificateDer;
  if (result === undefined || certificateDer === undefined) return undefined;
  const status = await ports.certificates.getStatus(tenant, batchId, index);
  const issuer = issuerNameOf(request.segment);
  return { tenant, batchId, issuer, result: { ...result, certificateDer }, status };
}

/** The contents octets of the serialNumber INTEGER (RFC 5280 4.1.2.2) in hex; empty where it is no certificate. */
export function serialNumberHexOf(certificateDer: Uint8Array): string {
  const bytes = serialNumberOf(certificateDer);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

function serialNumberOf(certificateDer: Uint8Array): Uint8Array {
  const walk = createCertificateWalk();
  if (!walkCertificate(certificateDer, 0, certificateDer.length, walk)) return new Uint8Array();
  return certificateDer.subarray(walk.serialNumberStart, walk.serialNumberEnd);
}
