import type { StatusAddresses } from '@certmill/domain';
import type { Clock, CrlScope, CrlStore, JobQueue, RevocationStore } from '@certmill/ports';
import { addCrlJob } from './crl-jobs.js';
import { type CrlPolicy, isDue } from './crl-policy.js';

/** An issuer that this process signs for. */
export interface CrlIssuer {
  readonly name: string;
  readonly status?: StatusAddresses;
  /** Its certificate's end: after it there are no CRLs. */
  readonly notAfterMs: number;
}

export interface CrlSchedulePorts {
  readonly revocations: Pick<RevocationStore, 'listDirtyScopes'>;
  readonly crls: Pick<CrlStore, 'describeCrl'>;
  readonly jobs: JobQueue;
  readonly clock: Clock;
}

/** How old the full CRLs of an issuer are; of the worst of its shards. */
export interface CrlAge {
  readonly issuer: string;
  readonly oldestThisUpdateMs: number;
  readonly firstNextUpdateMs: number;
  /** Shards that have none yet. */
  readonly missing: number;
}

/** Of one look at what has changed: more than all shards of two issuers. */
const dirtyScopesAtOnce = 10_000;
/** Calls of the store at once while all scopes are looked at. */
const scopesAtOnce = 64;

/** Plans what CRLs are made: where something was revoked, and by time. */
export class CrlSchedule {
  readonly #ports: CrlSchedulePorts;
  readonly #policy: CrlPolicy;
  readonly #issuers: () => readonly CrlIssuer[];
  readonly #seen: Set<string>;
  #ages: readonly CrlAge[] = [];

  /** @param issuers As they are at the time: asked at each look. */
  constructor(ports: CrlSchedulePorts, policy: CrlPolicy, issuers: () => readonly CrlIssuer[]) {
    this.#ports = ports;
    this.#policy = policy;
    this.#issuers = issuers;
    this.#seen = new Set(issuers().map(({ name }) => name));
  }

  /** As of the last `planDue`. */
  get ages(): readonly CrlAge[] {
    return this.#ages;
  }

  /** Plans the CRLs of scopes that have changed. Resolves to how many. */
  async planChanged(): Promise<number> {
    const issuers = new Map(this.#issuers().map((issuer) => [issuer.name, issuer]));
    // One that was made meanwhile gets its first CRLs now, not at the next look at everything.
    let planned = [...issuers.keys()].some((name) => !this.#seen.has(name))
      ? await this.planDue()
      : 0;
    const dirty = await this.#ports.revocations.listDirtyScopes(dirtyScopesAtOnce);
    for (const { changes, issuer, shard } of dirty) {
      const scope = { issuer, shard };
      if (!this.#isOurs(issuers.get(issuer), shard)) continue;
      if (this.#policy.deltaLifetimeMs === undefined) {
        await addCrlJob(this.#ports.jobs, scope, 'full');
      } else {
        const delta = await this.#ports.crls.describeCrl(scope, 'delta');
        if (delta !== undefined && delta.changes >= changes) continue;
        await addCrlJob(this.#ports.jobs, scope, 'delta');
      }
      planned += 1;
    }
    return planned;
  }

  /** Looks at every scope, and plans those that have no CRL or whose time has come. */
  async planDue(): Promise<number> {
    const nowMs = this.#ports.clock.nowMs();
    const ages: CrlAge[] = [];
    let planned = 0;
    for (const issuer of this.#issuers()) {
      this.#seen.add(issuer.name);
      if (issuer.status === undefined || nowMs > issuer.notAfterMs) continue;
      const shards = Math.max(1, issuer.status.crlShards);
      let age: CrlAge = {
        issuer: issuer.name,
        oldestThisUpdateMs: Infinity,
        firstNextUpdateMs: Infinity,
        missing: 0,
      };
      for (let first = 0; first < shards; first += scopesAtOnce) {
        const count = Math.min(scopesAtOnce, shards - first);
        const looks = Array.from({ length: count }, (_, i) =>
          this.#planIfDue({ issuer: issuer.name, shard: first + i }, nowMs),
        );
        for (const { isPlanned, crl } of await Promise.all(looks)) {
          if (isPlanned) planned += 1;
          age =
            crl === undefined
              ? { ...age, missing: age.missing + 1 }
              : {
                  ...age,
                  oldestThisUpdateMs: Math.min(age.oldestThisUpdateMs, crl.thisUpdateMs),
                  firstNextUpdateMs: Math.min(age.firstNextUpdateMs, crl.nextUpdateMs),
                };
        }
      }
      ages.push(age);
    }
    this.#ages = ages;
    return planned;
  }

  async #planIfDue(scope: CrlScope, nowMs: number) {
    const crl = await this.#ports.crls.describeCrl(scope, 'full');
    const isFullDue = isDue(crl, nowMs);
    if (isFullDue) await addCrlJob(this.#ports.jobs, scope, 'full');
    if (this.#policy.deltaLifetimeMs === undefined || crl === undefined) {
      return { isPlanned: isFullDue, crl };
    }
    const isDeltaDue = isDue(await this.#ports.crls.describeCrl(scope, 'delta'), nowMs);
    if (isDeltaDue) await addCrlJob(this.#ports.jobs, scope, 'delta');
    return { isPlanned: isFullDue || isDeltaDue, crl };
  }

  #isOurs(known: CrlIssuer | undefined, shard: number): boolean {
    if (known === undefined || this.#ports.clock.nowMs() > known.notAfterMs) return false;
    return shard < Math.max(1, known.status?.crlShards ?? 0);
  }
}
