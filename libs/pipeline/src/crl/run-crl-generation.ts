import type { JobQueue, RevocationStore, Stoppable } from '@certmill/ports';
import { repeat } from '../repeat.js';
import type { CrlPorts } from './build-crl.js';
import { type CrlObserver, processCrlJobs } from './crl-jobs.js';
import type { CrlPolicy } from './crl-policy.js';
import { type CrlAge, type CrlIssuer, CrlSchedule } from './crl-schedule.js';
import type { WaitingChanges } from './waiting-scopes.js';

export interface CrlGenerationOptions {
  readonly ports: CrlPorts & {
    readonly revocations: Pick<RevocationStore, 'listChangedScopes'>;
  };
  readonly jobs: JobQueue;
  readonly policy: CrlPolicy;
  /** Of this process, as they are at the time. */
  readonly issuers: () => readonly CrlIssuer[];
  readonly observer: CrlObserver & {
    /** A look at what is to be made failed; the next one follows. */
    planFailed(error: unknown): void;
  };
}

export interface CrlGeneration extends Stoppable {
  /** As of the last look at all scopes; empty before the first. */
  ages(): readonly CrlAge[];
  /** Changes that no CRL in force has, as of the last look at what has changed. */
  waiting(): readonly WaitingChanges[];
}

/** A revocation is in a CRL within a minute: this, and the time that it takes to make one. */
const changesEveryMs = 15_000;
const allEveryMs = 5 * 60_000;

/** Makes the CRLs of this process's issuers, by change and by time, until stopped. */
export async function runCrlGeneration(options: CrlGenerationOptions): Promise<CrlGeneration> {
  const { ports, jobs, policy, observer } = options;
  const { revocations, crls, clock } = ports;
  const schedule = new CrlSchedule({ revocations, crls, jobs, clock }, policy, options.issuers);
  const failed = (error: unknown): void => {
    observer.planFailed(error);
  };
  const worker = await processCrlJobs(ports, jobs, policy, observer);
  const changed = repeat(() => schedule.planChanged(), changesEveryMs, failed);
  const due = repeat(() => schedule.planDue(), allEveryMs, failed);
  return {
    ages: () => schedule.ages,
    waiting: () => schedule.waiting,
    async stop(timeoutMs) {
      await Promise.all([changed(), due(), worker.stop(timeoutMs)]);
    },
  };
}
