import { CertmillError, isCertmillError } from '@certmill/domain';
import type { CrlScope, Job, JobQueue } from '@certmill/ports';
import { type BuiltCrl, buildCrl, type CrlKind, type CrlPorts } from './build-crl.js';
import { type CrlDemand, demandData, demandKey, demandOf, isMet } from './crl-demand.js';
import type { CrlPolicy } from './crl-policy.js';
import { crlsInForce, dueCrl } from './due-crl.js';

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
 * Has the CRLs of a scope made that are due when a process of sign gets to it, or the one that is demanded.
 * Ids only: which CRL is due and what it says is read where it is signed. What is due of a scope is one
 * job, full CRL and delta alike, so it has one owner at a time. A demand is a job beside it, which one that
 * runs already cannot swallow: two owners put nothing over a CRL that they have not seen.
 */
export function addCrlJob(
  jobs: Pick<JobQueue, 'add'>,
  { issuer, shard }: CrlScope,
  demand?: CrlDemand,
): Promise<void> {
  const id = `${issuer}-${String(shard)}`;
  return demand === undefined
    ? jobs.add(queue, { id, data: { issuer, shard } })
    : jobs.add(queue, {
        // A sign that no name of an issuer has.
        id: `${id}+${demandKey(demand)}`,
        data: { issuer, shard, ...demandData(demand) },
      });
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
    const demand = demandOf(job);
    const make = (choose: ChooseCrl) => build(ports, policy, scope, observer, choose);
    // Once more where another owner put one meanwhile that was begun before the demand.
    if (demand !== undefined) await upTo(crlsAtOnce, () => make(demandedCrl(demand)));
    // A full CRL, and the delta that is due with it.
    await upTo(crlsAtOnce, () => make(dueCrl));
  });
}

async function upTo(times: number, make: () => Promise<boolean>): Promise<void> {
  for (let made = 0; made < times; made += 1) if (!(await make())) return;
}

/** Which CRL is to be made; undefined where none is. */
type ChooseCrl = (
  ports: CrlPorts,
  policy: CrlPolicy,
  scope: CrlScope,
) => Promise<CrlKind | undefined>;

/** None where it was made meanwhile, or is a delta that no full CRL points to any more. */
function demandedCrl(demand: CrlDemand): ChooseCrl {
  const { kind } = demand;
  return async ({ crls }, { deltaLifetimeMs }, scope) => {
    if (kind === 'delta' && deltaLifetimeMs === undefined) return undefined;
    return isMet(demand, (await crlsInForce(crls, scope))[kind]) ? undefined : kind;
  };
}

/** False where none was. What is due is counted in rows, which may be refused as well. */
async function build(
  ports: CrlPorts,
  policy: CrlPolicy,
  scope: CrlScope,
  observer: CrlObserver,
  choose: ChooseCrl,
): Promise<boolean> {
  const begunMs = performance.now();
  let kind: CrlKind = 'full';
  try {
    const chosen = await choose(ports, policy, scope);
    if (chosen === undefined) return false;
    kind = chosen;
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
