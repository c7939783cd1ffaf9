import { CertmillError } from '@certmill/domain';
import type { CrlStore, JobQueue, RevocationStore, StoredCrl } from '@certmill/ports';
import type { CrlDemand } from './crl-demand.js';
import { addCrlJob } from './crl-jobs.js';
import { inEveryShard } from './every-shard.js';

export interface DemandCrlPorts {
  readonly revocations: Pick<RevocationStore, 'countChanges'>;
  readonly crls: Pick<CrlStore, 'describeCrl'>;
  readonly jobs: Pick<JobQueue, 'add'>;
}

/** What is to be made of an issuer. */
export interface DemandedCrls {
  readonly issuer: string;
  readonly kind: StoredCrl['kind'];
  /** One of each shard. */
  readonly crls: number;
}

/**
 * Has a new CRL made of every shard of an issuer, which has what changed before the call. Asked again
 * before they are made it adds nothing.
 * Faults: CONFLICT where deltas are wanted of a full CRL that points to none, and those of the stores.
 */
export async function demandCrls(
  { revocations, crls, jobs }: DemandCrlPorts,
  issuer: string,
  crlShards: number,
  kind: StoredCrl['kind'],
): Promise<DemandedCrls> {
  const wanted = await inEveryShard(issuer, crlShards, async (scope) => {
    const changes = await revocations.countChanges(scope);
    const full = await crls.describeCrl(scope, 'full');
    if (kind === 'delta' && full?.hasDeltas === false) throw noDeltas(issuer);
    const inForce = kind === 'full' ? full : await crls.describeCrl(scope, kind);
    const after = inForce === undefined ? {} : { after: inForce.crlNumber };
    const demand: CrlDemand = { kind, changes, ...after };
    return { scope, demand };
  });
  for (const { scope, demand } of wanted) await addCrlJob(jobs, scope, demand);
  return { issuer, kind, crls: wanted.length };
}

function noDeltas(issuer: string): CertmillError {
  return new CertmillError(
    'CONFLICT',
    `the full CRLs of '${issuer}' point to no deltas: nobody would look for one (crls.deltaLifetimeHours)`,
  );
}
