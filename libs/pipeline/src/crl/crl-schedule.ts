import type { StatusAddresses } from '@certmill/domain';
import type { Clock, CrlStore, JobQueue, RevocationStore } from '@certmill/ports';
import { addCrlJob } from './crl-jobs.js';
import type { CrlPolicy } from './crl-policy.js';
import { crlsInForce, kindDue } from './due-crl.js';
import { listAllChanged } from './list-all-changed.js';
import { type WaitingChanges, WaitingScopes } from './waiting-scopes.js';

/** An issuer that this process signs for. */
export interface CrlIssuer {
  readonly name: string;
  readonly status?: StatusAddresses;
  /** Its certificate's end: after it there are no CRLs. */
  readonly notAfterMs: number;
  /** Nobody here can make its CRLs any more: the last ones stay. */
  readonly isKeyAway?: boolean;
}

export interface CrlSchedulePorts {
  readonly revocations: Pick<RevocationStore, 'listChangedScopes'>;
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

/** Calls of the store at once while all scopes are looked at. */
const scopesAtOnce = 64;

/** Plans what CRLs are made: where something was revoked, and by time. */
export class CrlSchedule {
  readonly #ports: CrlSchedulePorts;
  readonly #policy: CrlPolicy;
  readonly #issuers: () => readonly CrlIssuer[];
  readonly #seen: Set<string>;
  readonly #waiting = new WaitingScopes();
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

  /** Changes that no CRL in force has, as of the last `planChanged`. */
  get waiting(): readonly WaitingChanges[] {
    return this.#waiting.oldest();
  }

  /** Plans the CRLs of scopes that have changed. Resolves to how many. */
  async planChanged(): Promise<number> {
    const issuers = new Map(this.#live().map((issuer) => [issuer.name, issuer]));
    // One that was made meanwhile gets its first CRLs now, not at the next look at everything.
    const planned = [...issuers.keys()].some((name) => !this.#seen.has(name))
      ? await this.planDue()
      : 0;
    const follower = this.#policy.deltaLifetimeMs === undefined ? 'full' : 'delta';
    const changed = (
      await listAllChanged(this.#ports.revocations, follower, [...issuers.keys()])
    ).filter(({ issuer, shard }) => shard < shardsOf(issuers.get(issuer)));
    this.#waiting.look(changed, this.#ports.clock.nowMs());
    // Of one whose key is away they wait, and are seen waiting.
    const makeable = changed.filter(({ issuer }) => issuers.get(issuer)?.isKeyAway !== true);
    for (const { issuer, shard } of makeable) await addCrlJob(this.#ports.jobs, { issuer, shard });
    return planned + makeable.length;
  }

  /** Looks at every scope, and plans those that have no CRL or whose time has come. */
  async planDue(): Promise<number> {
    const nowMs = this.#ports.clock.nowMs();
    const ages: CrlAge[] = [];
    let planned = 0;
    for (const issuer of this.#live()) {
      this.#seen.add(issuer.name);
      const shards = shardsOf(issuer);
      let age: CrlAge = {
        issuer: issuer.name,
        oldestThisUpdateMs: Infinity,
        firstNextUpdateMs: Infinity,
        missing: 0,
      };
      for (let first = 0; first < shards; first += scopesAtOnce) {
        const count = Math.min(scopesAtOnce, shards - first);
        const looks = Array.from({ length: count }, (_, i) =>
          this.#planIfDue(issuer, first + i, nowMs),
        );
        for (const { isPlanned, crl } of await Promise.all(looks)) {
          if (isPlanned) planned += 1;
          if (crl === undefined && issuer.status === undefined) continue;
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
      if (age.missing > 0 || Number.isFinite(age.firstNextUpdateMs)) ages.push(age);
    }
    this.#ages = ages;
    return planned;
  }

  async #planIfDue({ name, status, isKeyAway }: CrlIssuer, shard: number, nowMs: number) {
    const scope = { issuer: name, shard };
    const inForce = await crlsInForce(this.#ports.crls, scope);
    // Without addresses a CRL is made when something is revoked; then it is kept up like any other.
    const isWanted = status !== undefined || inForce.full !== undefined;
    const isMakeable = isWanted && isKeyAway !== true;
    const isPlanned = isMakeable && kindDue(this.#policy, inForce, nowMs) !== undefined;
    if (isPlanned) await addCrlJob(this.#ports.jobs, scope);
    return { isPlanned, crl: inForce.full };
  }

  /** After their end issuers have no CRLs. */
  #live(): readonly CrlIssuer[] {
    const nowMs = this.#ports.clock.nowMs();
    return this.#issuers().filter(({ notAfterMs }) => nowMs <= notAfterMs);
  }
}

function shardsOf(issuer: CrlIssuer | undefined): number {
  return issuer === undefined ? 0 : Math.max(1, issuer.status?.crlShards ?? 0);
}
