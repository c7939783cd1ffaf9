import { CertmillError } from '@certmill/domain';
import { assertKeyPlace, findAuthority, loadIssuer, type Issuer } from '@certmill/trust';
import {
  assertSameWish,
  certificatesOfCa,
  planCompromise,
  readCompromise,
  type CompromiseRun,
  type CompromiseWish,
} from '@certmill/trust/compromise';
import type { IssuanceClient } from '../client/issuance-client.js';

export interface FoundRun {
  readonly old: Issuer;
  readonly run: CompromiseRun;
  readonly isBegun: boolean;
}

/**
 * The run of a wish: the one that was begun under its name, else a new one, which is not stored yet.
 * CONFLICT where another one was begun, the issuer has another certificate since, or the server has
 * another CA under its name.
 */
export async function runOf(
  data: string,
  client: IssuanceClient,
  wish: CompromiseWish,
): Promise<FoundRun> {
  const old = await loadIssuer(data, wish.issuer);
  const begun = await readCompromise(data, wish.name);
  if (begun !== undefined) {
    assertSameWish(begun.plan, wish);
    if (begun.plan.serialNumberHex !== old.serialNumberHex) {
      throw new CertmillError(
        'CONFLICT',
        `issuer '${old.name}' has another certificate since the run '${wish.name}' began`,
      );
    }
    return { old, run: begun, isBegun: true };
  }
  await assertSameAtServer(client, old);
  const nowMs = Date.now();
  const { successor } = wish;
  const isSuccessorThere =
    successor !== undefined && (await findAuthority(data, successor.name)) !== undefined;
  if (successor !== undefined && !isSuccessorThere) {
    // Before it is frozen: a run cannot be typed otherwise later.
    assertKeyPlace(old, successor.slot !== undefined);
  }
  const plan = planCompromise(wish, {
    serialNumberHex: old.serialNumberHex,
    hasParent: (await certificatesOfCa(old, [data], nowMs)).found.length > 0,
    isSuccessorThere,
    nowMs,
  });
  return { old, run: { plan, done: [] }, isBegun: false };
}

/** A folder of somewhere else would close and revoke a CA that has nothing to do with the certificates. */
async function assertSameAtServer(client: IssuanceClient, old: Issuer): Promise<void> {
  const [ownDer = new Uint8Array()] = old.chainDer;
  const served = await client.caCertificate(old.name);
  if (Buffer.compare(served, ownDer) === 0) return;
  throw new CertmillError(
    'CONFLICT',
    `the server has another CA '${old.name}' than this data folder: is --data its own?`,
  );
}
