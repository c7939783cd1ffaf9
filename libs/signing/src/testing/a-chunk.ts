import { canonicalProfile, profileHash, type Profile } from '@certmill/domain';
import { builtInProfiles } from '@certmill/domain/profile-files';
import {
  encodeReceivedChunk,
  encodeVerdict,
  type ReceivedChunk,
  type Verdict,
} from '@certmill/events';
import { aDeviceRequest, type DeviceRequest } from './a-device-request.js';

export const tlsClient = builtInProfiles().get('tls-client') as Profile;
export const tlsClientHash = profileHash(tlsClient);
export const tlsClientText = canonicalProfile(tlsClient);

export const receivedAtMs = Date.UTC(2026, 5, 1, 12, 0, 0, 500);

export interface TestChunk {
  readonly requests: readonly DeviceRequest[];
  readonly chunk: ReceivedChunk;
  readonly received: Uint8Array;
  readonly verdict: Uint8Array;
}

/** Requests `device-<index>` under tls-client; the verdict accepts all that `codes` does not reject. */
export function aChunk(
  options: {
    readonly count?: number;
    readonly requests?: readonly DeviceRequest[];
    readonly codes?: (index: number) => number;
    readonly received?: Partial<ReceivedChunk>;
    readonly verdict?: Partial<Verdict>;
  } = {},
): TestChunk {
  const requests =
    options.requests ??
    Array.from({ length: options.count ?? 4 }, (_, i) => aDeviceRequest(`device-${String(i)}`));
  const count = requests.length;
  const texts = Array.from({ length: count }, () => '');
  const deviceIds = requests.map((_, i) => `device-${String(i)}`);
  const codes = requests.map((_, i) => options.codes?.(i) ?? 0);
  const chunk: ReceivedChunk = {
    tenant: 'acme',
    orderId: 'order-1',
    batchId: '0123456789abcdef0123456789',
    chunkNumber: 0,
    firstIndex: 0,
    lane: 'bulk',
    receivedAtMs,
    signBeforeMs: receivedAtMs + 3_600_000,
    profileHash: tlsClientHash,
    issuer: 'device-ca',
    serialKeyId: 1,
    requestsDer: Buffer.concat(requests.map(({ der }) => der)),
    requestLengths: requests.map(({ der }) => der.length),
    deviceIds,
    sources: texts,
    rejections: codes.map(() => 0),
    rejectionDetails: texts,
    ...options.received,
  };
  const verdict: Verdict = {
    codes,
    details: codes.map((code) => (code === 0 ? '' : 'rejected by the test')),
    deviceIds,
    udids: new Uint8Array(count * 32),
    valuesPerRequest: 1,
    values: deviceIds.map((id) => Buffer.from(id)),
    ...options.verdict,
  };
  return {
    requests,
    chunk,
    received: encodeReceivedChunk(chunk),
    verdict: encodeVerdict(verdict),
  };
}
