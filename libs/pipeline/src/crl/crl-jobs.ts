import { CertmillError, isCertmillError } from '@certmill/domain';
import type { CrlScope, Job, JobQueue } from '@certmill/ports';
import { type BuiltCrl, buildCrl, type CrlKind, type CrlPorts } from './build-crl.js';
import type { CrlPolicy } from './crl-policy.js';

const queue = 'crl-generation';
/** With growing pauses: a slot that is gone for minutes; what fails for longer is planned anew. */
const attempts = 6;

/** Told of what CRL jobs do, for logs and metrics. */
export interface CrlObserver {
  built(crl: BuiltCrl, seconds: number): void;
  failed(scope: CrlScope, kind: CrlKind, error: CertmillError): void;
}

/**
 * Has the CRL made as soon as a process of sign gets to it. Ids only: what it says is read where it is
 * signed. Added while it waits already it is one job, so a scope has one owner at a time.
 */
export function addCrlJob(jobs: JobQueue, scope: CrlScope, kind: CrlKind): Promise<void> {
  const { issuer, shard } = scope;
  const id = `${issuer}-${String(shard)}${kind === 'delta' ? '-delta' : ''}`;
  return jobs.add(queue, { id, data: { issuer, shard, kind } });
}

/** Processes the jobs, one at a time: each may hold a million entries. */
export function processCrlJobs(
  ports: CrlPorts,
  jobs: JobQueue,
  policy: CrlPolicy,
  observer: CrlObserver,
): Promise<{ stop(timeoutMs: number): Promise<void> }> {
  return jobs.process(queue, { concurrency: 1, attempts }, async (job) => {
    const work = workOf(job);
    if (work === undefined) return;
    const begunMs = performance.now();
    try {
      const crl = await buildCrl(ports, policy, work.scope, work.kind);
      observer.built(crl, (performance.now() - begunMs) / 1e3);
    } catch (error) {
      const fault = isCertmillError(error)
        ? error
        : new CertmillError('FAULT_PROCESSING', 'a CRL cannot be made', { cause: error });
      observer.failed(work.scope, work.kind, fault);
      throw fault;
    }
  });
}

/** Undefined for what no release of Certmill adds: trying it again would not help. */
function workOf({ data }: Job): { readonly scope: CrlScope; readonly kind: CrlKind } | undefined {
  const { issuer, shard, kind } = data;
  if (typeof issuer !== 'string' || typeof shard !== 'number') return undefined;
  return { scope: { issuer, shard }, kind: kind === 'delta' ? 'delta' : 'full' };
}
