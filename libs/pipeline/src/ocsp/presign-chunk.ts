import { hash } from 'node:crypto';
import { createCertificateWalk, walkCertificate } from '@certmill/der';
import {
  CertmillError,
  requestOfSerialNumber,
  serialKeyIdOf,
  type ChunkRef,
  type SerialKey,
  type StatusAddresses,
} from '@certmill/domain';
import type {
  CertificateStore,
  Clock,
  OcspPresigner,
  OcspStore,
  PresignedStatus,
  RevocationStore,
} from '@certmill/ports';
import { issuanceClock } from '../issuance-clock.js';
import { issuerNameOf, resultsOf, type Result } from '../publish/read-results.js';
import { certStatusOf } from './certificate-status.js';
import type { OcspIssuer } from './ocsp-issuers.js';
import { statusesInRows } from './statuses-in-rows.js';

/** An issuer with what says in which scope its certificates are. */
export interface PresignIssuer extends OcspIssuer {
  readonly status?: Pick<StatusAddresses, 'crlShards'>;
}

export interface PresignPorts {
  readonly certificates: Pick<CertificateStore, 'getSegment'>;
  readonly revocations: Pick<RevocationStore, 'listRevoked'>;
  readonly responses: Pick<
    OcspStore,
    'findResponses' | 'putResponses' | 'removeResponses' | 'putResponder'
  >;
  readonly presigner: OcspPresigner;
  readonly issuerOf: (name: string) => PresignIssuer | undefined;
  /** By id. */
  readonly serialKeys: ReadonlyMap<number, SerialKey>;
  readonly clock: Clock;
  readonly policy: PresignPolicy;
  /** Called when responses tell otherwise than those before them, or are gone: answers that are kept may be old. */
  readonly onChanged?: () => void;
}

/** Whose responses are signed ahead, and how long they last. */
export interface PresignPolicy {
  /** From thisUpdate to nextUpdate; undefined where none of the issuer are signed ahead. */
  lifetimeSecondsOf(issuer: string): number | undefined;
  /** No response of any issuer lasts longer. */
  readonly longestSeconds: number;
}

/**
 * `current`: what is in force tells the same and has time. `none`: the chunk has no certificate that is in
 * time, or its issuer's are not signed ahead, and no responses any more.
 */
export type PresignOutcome = 'signed' | 'current' | 'none';

/** Another process being first this often is no bad luck any more. */
const maxTries = 16;

/**
 * Signs the responses of a chunk's certificates ahead and puts them in force, as their status is now.
 * What the store says is believed for the status alone: a certificate whose serial number does not lead
 * to its place in the chunk is told of to nobody. Faults: FAULT_STORE_CORRUPT; FAULT_PROCESSING where this
 * process does not know the issuer or has no responder of it, which another one may;
 * FAULT_CLOCK_BACKWARDS where the clock is more than 5 s behind what is in force; the ports'.
 * @param signedSinceMs What was signed before is signed again, whatever it tells.
 */
export async function presignChunk(
  ports: PresignPorts,
  chunk: ChunkRef,
  signedSinceMs = 0,
): Promise<PresignOutcome> {
  const segment = await ports.certificates.getSegment(chunk);
  if (segment === undefined) return 'none';
  const issuerName = issuerNameOf(segment);
  const issuer = ports.issuerOf(issuerName);
  if (issuer === undefined) throw notHere(`issuer '${issuerName}' is not known`);
  for (let tries = 0; tries < maxTries; tries += 1) {
    const outcome = await tryToPresign(ports, chunk, issuer, resultsOf(segment), signedSinceMs);
    if (outcome !== undefined) return outcome;
  }
  throw new CertmillError('FAULT_OVERLOADED', 'others keep signing the responses of a chunk');
}

/** Undefined where others put theirs meanwhile, which may know less, or more. */
async function tryToPresign(
  ports: PresignPorts,
  chunk: ChunkRef,
  issuer: PresignIssuer,
  results: readonly Result[],
  signedSinceMs: number,
): Promise<PresignOutcome | undefined> {
  const { responses, policy } = ports;
  const lifetimeSeconds = policy.lifetimeSecondsOf(issuer.name);
  const { tenant, batchId, chunkNumber } = chunk;
  const firstIndex = results[0]?.index ?? 0;
  // Before the statuses are read: whoever replaces what is in force has read them after it was put.
  const before = await responses.findResponses(batchId, firstIndex);
  const beforeMs = before?.producedAtMs ?? 0;
  const nowMs = issuanceClock(ports.clock, beforeMs).nowMs();
  const statuses =
    lifetimeSeconds === undefined ? [] : await statusesOf(ports, chunk, issuer, results, nowMs);
  if (lifetimeSeconds === undefined || statuses.length === 0) {
    if (before !== undefined) {
      await responses.removeResponses(batchId, firstIndex, beforeMs);
      ports.onChanged?.();
    }
    return 'none';
  }
  const digest = hash('sha256', JSON.stringify(statuses.map(toldOf)));
  const isEnding = (before?.nextUpdateMs ?? 0) - nowMs < signedAgainMs(lifetimeSeconds);
  const isSince = (before?.thisUpdateMs ?? 0) >= signedSinceMs;
  if (before?.digest === digest && isSince && !isEnding) return 'current';
  const thisUpdateSeconds = Math.floor(nowMs / 1_000);
  const nextUpdateSeconds = thisUpdateSeconds + lifetimeSeconds;
  const times = { thisUpdateSeconds, nextUpdateSeconds };
  const count = results.length;
  const signed = await ports.presigner.signResponses(issuer.name, { count, statuses, ...times });
  if (signed === undefined) throw notHere(`issuer '${issuer.name}' has no responder`);
  // The responder first: responses that name it are in force only when it is known.
  await responses.putResponder(signed.responder);
  const given = {
    tenant,
    batchId,
    chunkNumber,
    firstIndex,
    count,
    issuer: issuer.name,
    responder: signed.responder.id,
    producedAtMs: Math.max(nowMs, beforeMs + 1),
    thisUpdateMs: thisUpdateSeconds * 1_000,
    nextUpdateMs: nextUpdateSeconds * 1_000,
    digest,
    pairs: signed.pairs,
  };
  const isInForce = await responses.putResponses(given, before?.producedAtMs);
  if (!isInForce) return undefined;
  // Those that were only made anew tell what was told before: what is kept of that is true.
  if (before !== undefined && before.digest !== digest) ports.onChanged?.();
  return 'signed';
}

/** Responses are signed again when they have less time than this. */
export function signedAgainMs(lifetimeSeconds: number): number {
  return (lifetimeSeconds * 1_000) / 3;
}

/** Of the certificates that are in time. */
async function statusesOf(
  ports: PresignPorts,
  chunk: ChunkRef,
  issuer: PresignIssuer,
  results: readonly Result[],
  nowMs: number,
): Promise<readonly PresignedStatus[]> {
  const inTime = results.flatMap(({ index, certificateDer }, place) => {
    if (certificateDer === undefined) return [];
    const { serialNumber, notAfterMs } = identityOf(certificateDer);
    if (notAfterMs <= nowMs) return [];
    assertOwnSerial(ports, chunk, index, serialNumber);
    return { index, place, serialNumber };
  });
  const { name, status } = issuer;
  const shards = status?.crlShards ?? 0;
  const changed = await statusesInRows(ports.revocations, name, shards, chunk.batchId, inTime);
  return inTime.map(({ index, place, serialNumber }) => {
    const told = certStatusOf(issuer, changed.get(index) ?? { state: 'good' });
    return { place, serialNumber, status: told };
  });
}

function toldOf({ place, status }: PresignedStatus): unknown {
  return [place, status];
}

const walk = createCertificateWalk();

function identityOf(der: Uint8Array): {
  readonly serialNumber: Uint8Array;
  readonly notAfterMs: number;
} {
  if (!walkCertificate(der, 0, der.length, walk)) throw corrupt('a certificate is not DER');
  const serialNumber = der.subarray(walk.serialNumberStart, walk.serialNumberEnd);
  return { serialNumber, notAfterMs: walk.notAfterSeconds * 1_000 };
}

function assertOwnSerial(
  { serialKeys }: PresignPorts,
  { batchId }: ChunkRef,
  index: number,
  serialNumber: Uint8Array,
): void {
  const serialKey = serialKeys.get(serialKeyIdOf(serialNumber) ?? 0);
  const request = serialKey && requestOfSerialNumber(serialKey, serialNumber);
  if (request?.batchId === batchId && request.index === index) return;
  throw corrupt('a certificate has a serial number that does not lead to its request');
}

function notHere(reason: string): CertmillError {
  return new CertmillError('FAULT_PROCESSING', `responses are not signed here: ${reason}`);
}

function corrupt(reason: string): CertmillError {
  return new CertmillError('FAULT_STORE_CORRUPT', `responses are not signed: ${reason}`);
}
