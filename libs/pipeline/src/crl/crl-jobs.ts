import { CertmillError, isCertmillError } from '@certmill/domain';
import type { CrlScope, Job, JobQueue } from '@certmill/ports';
import { type BuiltCrl, buildCrl, type CrlKind, type CrlPorts } from './build-crl.js';
import type { CrlPolicy } from './crl-policy.js';
import { dueCrl } from './due-crl.js';

const queue = 'crl-generation';
/** With growing pauses: a slot that is gone for minutes; what fails for longer is planned anew. */
const attempts = 6;
const crlsAtOnce = 2;

/** Told of what CRL jobs do, for logs and metrics. */
export interface CrlObserver {
  built(crl: BuiltCrl, seconds: number): void;
  failed(scope: CrlScope, kind: CrlKind, error: CertmillError): void;
}

/**
 * Has the CRLs of a scope made that are due when a process of sign gets to it. Ids only: which CRL it is
 * and what it says is read where it is signed. A scope is one job, full CRL and delta alike, so it has
 * one owner at a time; one that is taken for dead and is not puts nothing over a CRL that it has not seen.
 */
export function addCrlJob(jobs: JobQueue, { issuer, shard }: CrlScope): Promise<void> {
  return jobs.add(queue, { id: `${issuer}-${String(shard)}`, data: { issuer, shard } });
}

/** Processes the jobs, one at a time: each may hold a million entries. */
export function processCrlJobs(
  ports: CrlPorts,
  jobs: JobQueue,
  policy: CrlPolicy,
  observer: CrlObserver,
): Promise<{ stop(timeoutMs: number): Promise<void> }> {
  return jobs.process(queue, { concurrency: 1, attempts }, async (job) => {
    const scope = scopeOf(job);
    if (scope === undefined) return;
    // A full CRL, and the delta that is due with it.
    for (let made = 0; made < crlsAtOnce; made += 1) {
      if (!(await buildDue(ports, policy, scope, observer))) return;
    }
  });
}

/** False where none is due. What is due is counted in rows, which may be refused as well. */
async function buildDue(
  ports: CrlPorts,
  policy: CrlPolicy,
  scope: CrlScope,
  observer: CrlObserver,
): Promise<boolean> {
  const begunMs = performance.now();
  let kind: CrlKind = 'full';
  try {
    const due = await dueCrl(ports, policy, scope);
    if (due === undefined) return false;
    kind = due;
    const crl = await buildCrl(ports, policy, scope, kind);
    observer.built(crl, (performance.now() - begunMs) / 1e3);
    return true;
  } catch (error) {
    const fault = isCertmillError(error)
      ? error
      : new CertmillError('FAULT_PROCESSING', 'a CRL cannot be made', { cause: error });
    observer.failed(scope, kind, fault);
    throw fault;
  }
}

/** Undefined for what no release of Certmill adds: trying it again would not help. */
function scopeOf({ data: { issuer, shard } }: Job): CrlScope | undefined {
  return typeof issuer === 'string' && typeof shard === 'number' ? { issuer, shard } : undefined;
}
