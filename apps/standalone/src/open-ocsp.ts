import { join } from 'node:path';
import { OcspFile } from '@certmill/adapter-embedded';
import type { ChunkRef } from '@certmill/domain';
import {
  IssuedNumbers,
  LivePlaces,
  planPresigning,
  presignedUnder,
  startPresigning,
  type AnswerPorts,
  type WaitingChanges,
} from '@certmill/pipeline';
import {
  assertIssuersOfPolicy,
  presignPolicyOf,
  presignsAny,
  replyToStatusCall,
  type AnswerSource,
  type Repository,
  type KeepingLimits,
  type OcspPolicy,
  type StatusCall,
  type StatusObserver,
  type StatusReply,
} from '@certmill/platform';
import type {
  AuditStore,
  BatchStore,
  CertificateStore,
  Clock,
  JobQueue,
  OrderStore,
  ResponderCertifier,
  RevocationStore,
  Stoppable,
  TenantStore,
} from '@certmill/ports';
import { openResponderPool } from '@certmill/signing';
import { readPassphrase, ResponderFolder } from '@certmill/trust';
import type { IssuerSet } from './issuers.js';
import { presignedAnswers } from './presigned-answers.js';
import { presignedFileOf, removePresignedFile } from './presigned-file.js';

/** OCSP of a data folder. */
export interface Ocsp extends Stoppable {
  /** Never rejects. The signal aborts when the client has gone. */
  reply(call: StatusCall, signal: AbortSignal): Promise<StatusReply>;
  /** What is signed ahead, for threads that read it by themselves; absent: nothing is. */
  readonly answers?: AnswerSource;
  /** See `ResponderFolder`. */
  firstOverdueEndMs(): number | undefined;
  /** Changes of status that what is signed ahead does not tell. */
  waiting(): readonly WaitingChanges[];
  /** Called when a status changed here, and when what is signed ahead tells of it: what was kept may be old. */
  onChange(forget: () => void): void;
  /** A chunk was published, or a status in it changed: its responses are signed, where that is done ahead. */
  changed(chunk: ChunkRef): Promise<void>;
}

export interface OcspParts {
  readonly directory: string;
  readonly policy: OcspPolicy;
  readonly issuers: IssuerSet;
  readonly store: TenantStore &
    OrderStore &
    BatchStore &
    CertificateStore &
    RevocationStore &
    AuditStore &
    JobQueue;
  readonly certifier: ResponderCertifier;
  /** See `ResponderFolder`. */
  readonly certifies: (issuer: string) => boolean;
  readonly clock: Clock;
  readonly limits: KeepingLimits;
  readonly observer: StatusObserver;
  readonly repository: Repository;
}

const dayMs = 24 * 3_600_000;

/** Of their keys and certificates. */
export function respondersDirectoryOf(dataDirectory: string): string {
  return join(dataDirectory, 'ocsp-responders');
}

/**
 * Responders lie in `<data>/ocsp-responders`, under the issuers' passphrase. CONFIG_INVALID where the policy
 * names an issuer that is not there.
 */
export async function openOcsp(parts: OcspParts): Promise<Ocsp> {
  const { policy, issuers, store, clock, observer } = parts;
  const { catalogue, authorities, passphrase } = issuers;
  authorities.tellFaults((error) => observer.fault(error));
  assertIssuersOfPolicy(
    policy,
    catalogue.all.map(({ name }) => name),
  );
  const folder = new ResponderFolder({
    directory: respondersDirectoryOf(parts.directory),
    issuerOf: (name) => authorities.find(name),
    certifies: parts.certifies,
    audit: store,
    readPassphrase: () => readPassphrase(passphrase, process.env),
    certifier: parts.certifier,
    clock,
    lifeMs: policy.responderDays * dayMs,
    onFault: (_issuer, error) => observer.fault(error),
  });
  const pool = openResponderPool({
    threads: 1,
    async responderOf(name) {
      const issuer = authorities.find(name);
      const responder = await folder.responderOf(name);
      if (issuer === undefined || responder === undefined) return undefined;
      const { subjectDer, spkiDer } = issuer;
      return {
        ...responder,
        subjectDer,
        spkiDer,
        passphrase:
          'file' in passphrase ? passphrase : { environment: passphrase.environmentVariable },
      };
    },
  });
  const serialKeys = new Map(issuers.serialKeys.map((key) => [key.id, key]));
  const presigned = presignsAny(policy) ? await openPresigned(parts) : undefined;
  if (presigned === undefined) removePresignedFile(parts.directory);
  const forgets: (() => void)[] = [];
  const forget = (): void => {
    for (const each of forgets) each();
  };
  const presigning =
    presigned &&
    (await startPresigning({
      ...{ tenants: store, orders: store, batches: store, revocations: store },
      certificates: store,
      responses: presigned,
      issuers: () => catalogue.all.map(({ name }) => name),
      presigner: pool,
      issuerOf: (name) => catalogue.find(name),
      serialKeys,
      clock,
      policy: presignPolicyOf(policy),
      jobs: store,
      concurrency: 4,
      onChanged: forget,
      onFault: (error) => observer.fault(error),
    }));
  const ports: AnswerPorts = {
    issuers: authorities,
    clock,
    serialKeys,
    ...(presigned === undefined
      ? {}
      : { presigned: presignedUnder(presignPolicyOf(policy), presigned) }),
    live: {
      signer: pool,
      statuses: {
        batches: store,
        certificates: store,
        issued: new IssuedNumbers(store),
        serialKeys,
        caStatus: (...asked) => authorities.caStatus(...asked),
      },
      places: new LivePlaces(),
      lifetimeSeconds: policy.answerSeconds,
      nonce: policy.nonce,
    },
  };
  return {
    ...(presigned === undefined
      ? {}
      : { answers: presignedAnswers({ path: presignedFileOf(parts.directory), serialKeys }) }),
    reply: (call, signal) => replyToStatusCall(ports, call, clock.nowMs(), parts, signal),
    firstOverdueEndMs: () => folder.firstOverdueEndMs(),
    waiting: () => presigning?.waiting() ?? [],
    onChange: (listener) => void forgets.push(listener),
    async changed(chunk) {
      if (presigned !== undefined) await planPresigning(store, chunk, clock.nowMs());
      forget();
    },
    async stop(timeoutMs) {
      await presigning?.stop(timeoutMs);
      await pool.stop(timeoutMs);
      await presigned?.stop();
    },
  };
}

/** Of issuers that are not signed for any more, nothing in it is in time. */
async function openPresigned({ directory, policy, issuers }: OcspParts): Promise<OcspFile> {
  const file = new OcspFile(presignedFileOf(directory));
  const presigns = presignPolicyOf(policy);
  const names = issuers.catalogue.all.map(({ name }) => name);
  await file.withdrawOthers(names.filter((name) => presigns.lifetimeSecondsOf(name) !== undefined));
  return file;
}
