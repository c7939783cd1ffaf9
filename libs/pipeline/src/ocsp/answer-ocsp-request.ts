import {
  encodeErrorResponse,
  encodeSuccessfulResponse,
  readOcspRequest,
  type CertIdRange,
  type OcspErrorStatus,
  type OcspRequest,
} from '@certmill/der';
import { isCertmillError } from '@certmill/domain';
import type { Clock, OcspSigner, OcspStore } from '@certmill/ports';
import {
  caCertificateStatus,
  certificateStatus,
  type CaStatus,
  type StatusPorts,
} from './certificate-status.js';
import type { LivePlaces } from './live-places.js';
import type { OcspIssuer, OcspIssuers } from './ocsp-issuers.js';
import {
  askedResponse,
  responseTo,
  servedResponse,
  type SuccessfulAnswer,
} from './presigned-answer.js';

export type OcspAnswer =
  | SuccessfulAnswer
  | {
      readonly kind: OcspErrorStatus;
      readonly der: Uint8Array;
      /** Of what was our fault; for the log. */
      readonly cause?: unknown;
    };

export interface AnswerPorts {
  /** Asked for every CertID, so it MUST be fast. */
  readonly issuers: Pick<OcspIssuers, 'named'>;
  readonly clock: Clock;
  readonly serialKeys: StatusPorts['serialKeys'];
  /** Absent: nothing is signed ahead. */
  readonly presigned?: Pick<OcspStore, 'findPair' | 'getResponder'>;
  /** Absent: a validation authority without a key. */
  readonly live?: {
    readonly signer: OcspSigner;
    readonly statuses: StatusPorts;
    /** One for all ports of a process: what they sign together is bounded. */
    readonly places: Pick<LivePlaces, 'take'>;
    /** Of an answer from thisUpdate to nextUpdate. */
    readonly lifetimeSeconds: number;
    /** `echo`: a request with a nonce is signed for itself; `ignore`: as if it had none (RFC 9654 2.1). */
    readonly nonce: 'echo' | 'ignore';
  };
}

/**
 * Answers one OCSPRequest (RFC 6960 2.3, 4.2). Never throws: what goes wrong here is `tryLater` where it
 * will pass, else `internalError`. `unauthorized` for another CA's certificates, for those of several
 * issuers in one request (a delegated responder answers for one), and for what has no response where
 * nothing can be signed (RFC 9919 3.2.3). A CertID that stands in a request several times is answered once.
 *
 * @param signal aborts when nobody takes the answer any more: what it is then is of no matter.
 */
export async function answerOcspRequest(
  ports: AnswerPorts,
  requestDer: Uint8Array,
  signal?: AbortSignal,
): Promise<OcspAnswer> {
  const read = readOcspRequest(requestDer, 0, requestDer.length);
  // A critical extension that is not understood cannot be answered as it is meant (RFC 6960 4.4).
  if (!read.ok || read.value.hasUnknownCritical) return refusal('malformedRequest');
  const request = { ...read.value, certIds: distinct(requestDer, read.value.certIds) };
  try {
    const issuers = issuersOf(ports.issuers, requestDer, request);
    if (issuers === undefined) return refusal('unauthorized');
    return await answerFor(ports, issuers, requestDer, request, signal);
  } catch (cause) {
    const passes = isCertmillError(cause) && cause.disposition === 'retry';
    return { ...refusal(passes ? 'tryLater' : 'internalError'), cause };
  }
}

function refusal(kind: OcspErrorStatus): Extract<OcspAnswer, { readonly kind: OcspErrorStatus }> {
  return { kind, der: encodeErrorResponse(kind) };
}

function distinct(requestDer: Uint8Array, certIds: readonly CertIdRange[]): readonly CertIdRange[] {
  if (certIds.length === 1) return certIds;
  const { buffer, byteOffset } = requestDer;
  const octetsOf = ({ start, end }: CertIdRange): string =>
    Buffer.from(buffer, byteOffset + start, end - start).toString('latin1');
  return [...new Map(certIds.map((certId) => [octetsOf(certId), certId])).values()];
}

function issuersOf(
  issuers: Pick<OcspIssuers, 'named'>,
  requestDer: Uint8Array,
  { certIds }: OcspRequest,
): readonly OcspIssuer[] | undefined {
  const [first, ...others] = certIds.map((certId) => issuers.named(requestDer, certId));
  const name = first?.[0]?.name;
  const isOne = name !== undefined && others.every((named) => named[0]?.name === name);
  return isOne ? first : undefined;
}

async function answerFor(
  ports: AnswerPorts,
  issuers: readonly OcspIssuer[],
  requestDer: Uint8Array,
  request: OcspRequest,
  signal: AbortSignal | undefined,
): Promise<OcspAnswer> {
  const { live } = ports;
  const wantsNonce = request.nonceStart >= 0 && live?.nonce === 'echo';
  const [certId, ...others] = request.certIds;
  let isLate = false;
  if (certId !== undefined && others.length === 0 && !wantsNonce) {
    const presigned = await findPresigned(ports, issuers, requestDer, certId);
    if (presigned?.kind === 'successful') return presigned;
    isLate = presigned?.kind === 'late';
  }
  if (live === undefined) return refusal(isLate ? 'tryLater' : 'unauthorized');
  using place = await live.places.take(request.certIds.length, signal);
  if (place === undefined) return refusal('tryLater');
  const signed = await signLive(live, ports.clock, issuers, requestDer, request, signal);
  return signed ?? refusal(isLate ? 'tryLater' : 'unauthorized');
}

async function findPresigned(
  { presigned, serialKeys, clock }: AnswerPorts,
  issuers: readonly OcspIssuer[],
  requestDer: Uint8Array,
  certId: CertIdRange,
): Promise<ReturnType<typeof servedResponse> | undefined> {
  if (presigned === undefined) return undefined;
  const asked = askedResponse(serialKeys, requestDer, certId);
  const pair = asked && (await presigned.findPair(asked.batchId, asked.index));
  if (asked === undefined || pair === undefined) return undefined;
  // The same number under another issuer's name was never issued.
  const issuer = issuers.find(({ name }) => name === pair.issuer);
  const response = issuer && responseTo(asked, pair);
  if (response === undefined) return undefined;
  // Of before its issuer was revoked: sign makes others, and until then nobody is told that it is good.
  if (issuer?.revoked !== undefined && response.isGood) return { kind: 'late' };
  const responder = await presigned.getResponder(pair.responder);
  const served = servedResponse(response, pair, responder, clock.nowMs());
  const isReadable = issuers.every(({ revoked }) => revoked === undefined);
  return served.kind === 'successful' ? { ...served, isReadable } : served;
}

async function signLive(
  live: NonNullable<AnswerPorts['live']>,
  clock: Clock,
  issuers: readonly OcspIssuer[],
  requestDer: Uint8Array,
  { certIds, nonceStart, nonceEnd }: OcspRequest,
  signal: AbortSignal | undefined,
): Promise<OcspAnswer | undefined> {
  const issuer = issuers[0]?.name ?? '';
  const statuses: Exclude<CaStatus, 'untold'>[] = [];
  // One after the other: a request costs more the more it asks for, but never more at a time.
  for (const { serialNumberStart, serialNumberEnd } of certIds) {
    const serialNumber = requestDer.subarray(serialNumberStart, serialNumberEnd);
    const status = await statusOf(live.statuses, issuers, serialNumber, clock.nowMs());
    if (signal?.aborted === true) return refusal('tryLater');
    // Its records are over: what was good then may not be by now (RFC 9919 3.2.3).
    if (status === 'untold') return undefined;
    statuses.push(status);
  }
  // After the statuses were read: nobody is told "good" of a later time than is known.
  const nowSeconds = Math.floor(clock.nowMs() / 1_000);
  const endSeconds = nowSeconds + live.lifetimeSeconds;
  const responses = statuses.map(({ status, thisUpdateSeconds, nextUpdateSeconds }, i) => ({
    certIdDer: requestDer.subarray(certIds[i]?.start, certIds[i]?.end),
    status,
    thisUpdateSeconds: thisUpdateSeconds ?? nowSeconds,
    nextUpdateSeconds: Math.min(endSeconds, nextUpdateSeconds ?? endSeconds),
  }));
  const hasNonce = nonceStart >= 0 && live.nonce === 'echo';
  const basic = await live.signer.signAnswer(issuer, {
    producedAtSeconds: nowSeconds,
    responses,
    ...(hasNonce ? { nonce: requestDer.subarray(nonceStart, nonceEnd) } : {}),
  });
  if (basic === undefined) return undefined;
  return {
    kind: 'successful',
    der: encodeSuccessfulResponse(basic),
    times: {
      thisUpdateMs: Math.min(...responses.map((each) => each.thisUpdateSeconds)) * 1_000,
      nextUpdateMs: Math.min(...responses.map((each) => each.nextUpdateSeconds)) * 1_000,
    },
    isForAll: !hasNonce && statuses.every(({ status }) => status.kind !== 'unknown'),
  };
}

/** Of a CA certificate where it is one, else of a device's. */
async function statusOf(
  statuses: StatusPorts,
  issuers: readonly OcspIssuer[],
  serialNumber: Uint8Array,
  nowMs: number,
): Promise<CaStatus> {
  const told = caCertificateStatus(statuses, issuers, serialNumber, nowMs);
  return told ?? { status: await certificateStatus(statuses, issuers, serialNumber) };
}
