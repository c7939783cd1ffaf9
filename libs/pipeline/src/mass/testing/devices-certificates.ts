import type { CertificateStatus, ChunkRef } from '@certmill/domain';
import type { RequestPlace } from '@certmill/ports';
import type { IssuedCertificate } from '../../revoke/read-certificates.js';
import type { ChunkReader, StandingPorts } from '../standing.js';
import type { StoredCertificate } from '../stored-certificate.js';

/** Of the tests. */
export const nowMs = 1_000_000;

/** Each request is alone in its batch, which is named after what became of it. */
export const placeOf = (batchId: string): RequestPlace => ({ batchId, chunkNumber: 0, index: 0 });

const statuses: Readonly<Record<string, CertificateStatus>> = {
  revoked: { state: 'revoked', reason: 'superseded', atMs: 1 },
  held: { state: 'revoked', reason: 'certificateHold', atMs: 1 },
  'held under a fallen CA': { state: 'revoked', reason: 'certificateHold', atMs: 1 },
};

/** An issuer in whose name is a CA that is revoked is below it. */
const fallenIn = (name: string): string | undefined => /fallen CA.*$/u.exec(name)?.[0];
const issuerOf = (batchId: string): string =>
  /(?:sibling's )?fallen CA.*$/u.exec(batchId)?.[0] ?? 'factory';

export const standingPorts = {
  chainOf: () => [],
  revocationOf: (issuer: string) => {
    const serialNumberHex = fallenIn(issuer);
    return serialNumberHex && { serialNumberHex, reason: 'cACompromise' };
  },
  certificates: {
    listStatuses: (_: string, batchId: string) => {
      const status = statuses[batchId];
      return Promise.resolve(new Map(status === undefined ? [] : [[0, status]]));
    },
  },
} as unknown as StandingPorts;

export const chunkReader: ChunkReader = {
  ofChunk({ batchId }: ChunkRef) {
    if (batchId === 'in flight') return Promise.resolve(undefined);
    return Promise.resolve(batchId === 'not issued' ? [] : [issuedIn(batchId)]);
  },
};

function issuedIn(batchId: string): IssuedCertificate {
  return {
    ...placeOf(batchId),
    ...{ tenant: 'acme', deviceId: 'a', serialNumber: new Uint8Array(), udid: new Uint8Array(32) },
    scope: { issuer: issuerOf(batchId), shard: 0 },
    notAfterMs: batchId === 'expired' ? nowMs - 1_000 : nowMs,
  };
}

export function certificateIn(batchId: string): StoredCertificate {
  const request = { requestDer: new Uint8Array(), source: '', uploadedDeviceId: '' };
  return { ...issuedIn(batchId), ...request };
}
