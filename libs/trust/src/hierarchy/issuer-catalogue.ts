import { statSync } from 'node:fs';
import { join } from 'node:path';
import { CertmillError, isName } from '@certmill/domain';
import { CasByKey } from './cas-by-key.js';
import { ImportedCrlFolder } from './imported-crls.js';
import { issuerPathsOf } from './issuer-paths.js';
import { retirementFileName } from './ca-description.js';
import { isKeyAtHand, readAuthority, readWholeAuthority, refusalOf } from './load-issuers.js';
import { type RevokedCa, revokedCasFileName } from './revoked-cas.js';
import type { IssuerBindings, ServingIssuer } from './serving-issuers.js';

export interface CatalogueOptions {
  readonly dataDirectory: string;
  /** As they were bound at the start. */
  readonly issuers: readonly ServingIssuer[];
  /** Where a configuration speaks of issuers, one that it does not name is not taken in. */
  readonly configured: IssuerBindings | undefined;
  /** Only issuers whose key is at hand, in their folder or in a token, are taken in. */
  readonly withKeys: boolean;
  /** Milliseconds that only grow. */
  readonly elapsedMs: () => number;
}

/** A look at the folder costs a millisecond or less; this bounds what strange names and polling take. */
const lookPauseMs = 1_000;
const looksPerPause = 20;

interface KnownIssuer {
  readonly issuer: ServingIssuer;
  /** Of the records when it was read. */
  readonly generation: number;
  /** Of its retirement when it was read; undefined where it was read before anybody looked. */
  readonly retirement: string | undefined;
  readonly lookedAtMs: number;
}

/**
 * The issuers that a process serves, as they are now: one that is added to the folder is seen when it is
 * first asked for and is whole, and one that is revoked or given up a second later, all without a restart.
 * An issuer that did not change stays the same object. What else is changed in a folder is seen at the next
 * start.
 */
export class IssuerCatalogue {
  private readonly options: CatalogueOptions;
  private readonly known: Map<string, KnownIssuer>;
  private looks = 0;
  private looksBeganMs = -Infinity;
  private readonly crls: ImportedCrlFolder;
  private readonly cas: CasByKey;
  private crlsLookedAtMs = -Infinity;
  private crlsStamp = '';
  /** Counts changes of the records of revoked CAs, and of CRLs that were taken in. */
  private generation = 0;
  private readonly records = new Map<
    string,
    { readonly lookedAtMs: number; readonly stamp: string }
  >();

  constructor(options: CatalogueOptions) {
    this.options = options;
    this.crls = new ImportedCrlFolder(options.dataDirectory);
    this.cas = new CasByKey(options.dataDirectory);
    this.known = new Map(
      options.issuers.map((issuer) => [
        issuer.name,
        { issuer, generation: 0, retirement: undefined, lookedAtMs: -Infinity },
      ]),
    );
  }

  /** By name where they were there at the start, then in the order in which they were asked for. */
  get all(): readonly ServingIssuer[] {
    return [...this.known.values()].map(({ issuer }) => issuer);
  }

  /** Unix milliseconds, among issuers that sign at the time; undefined where none does. */
  firstEndMs(nowMs: number): number | undefined {
    const ends = this.all
      .filter((issuer) => refusalOf(issuer, nowMs) === undefined)
      .map(({ notAfterMs }) => notAfterMs);
    return ends.length === 0 ? undefined : ends.reduce((first, end) => Math.min(first, end));
  }

  /** Names of the CAs of the folder above the issuers. */
  namesAbove(): readonly string[] {
    return [...new Set(this.all.flatMap(({ above }) => above))];
  }

  find(name: string): ServingIssuer | undefined {
    const known = this.known.get(name);
    if (known === undefined) return this.lookFor(name);
    this.lookAtCrls();
    for (const ca of known.issuer.above) this.lookAtRecord(ca);
    const lookedAtMs = this.options.elapsedMs();
    const isFresh = lookedAtMs - known.lookedAtMs < lookPauseMs;
    if (isFresh && known.generation === this.generation) return known.issuer;
    const retirement = this.stampOf(name, retirementFileName);
    const { issuer } = known;
    const isSame =
      known.generation === this.generation &&
      (known.retirement ?? (issuer.retirement === undefined ? '' : undefined)) === retirement;
    return this.keep(isSame ? issuer : this.readAgain(issuer), retirement, lookedAtMs);
  }

  /** Throws FAULT_PROCESSING, with the reason, where the issuer signs nothing at the time. */
  assertSigns(name: string, nowMs: number): void {
    const issuer = this.find(name);
    const refusal = issuer === undefined ? 'is not there' : refusalOf(issuer, nowMs);
    if (refusal === undefined) return;
    throw new CertmillError('FAULT_PROCESSING', `issuer ${name.slice(0, 80)} ${refusal}`);
  }

  /** The issuer of a name that was read in the folder; undefined where it is none, or not to be served. */
  add(name: string): ServingIssuer | undefined {
    return this.known.get(name)?.issuer ?? this.takeIn(name);
  }

  private lookFor(name: string): ServingIssuer | undefined {
    const { configured, elapsedMs } = this.options;
    if (configured !== undefined || !isName(name)) return undefined;
    if (elapsedMs() - this.looksBeganMs > lookPauseMs) {
      this.looksBeganMs = elapsedMs();
      this.looks = 0;
    }
    if (this.looks >= looksPerPause) return undefined;
    this.looks += 1;
    return this.takeIn(name);
  }

  private takeIn(name: string): ServingIssuer | undefined {
    const { configured, dataDirectory, issuers, withKeys } = this.options;
    if (configured !== undefined || !isName(name)) return undefined;
    const issuer = readWholeAuthority(
      dataDirectory,
      name,
      issuers[0]?.serialKeyId,
      this.crls,
      this.cas,
    );
    if (issuer?.role !== 'issuing' || (withKeys && !isKeyAtHand(issuer))) return undefined;
    return this.keep(issuer, undefined, -Infinity);
  }

  private keep(
    issuer: ServingIssuer,
    retirement: string | undefined,
    lookedAtMs: number,
  ): ServingIssuer {
    const { generation } = this;
    this.known.set(issuer.name, { issuer, generation, retirement, lookedAtMs });
    return issuer;
  }

  private readAgain(before: ServingIssuer): ServingIssuer {
    const { dataDirectory } = this.options;
    const now = readAuthority(dataDirectory, before.name, before.serialKeyId, this.crls, this.cas);
    // What was known stays where the folder has forgotten it; another reason takes its place.
    const revoked = now?.revoked ?? before.revoked;
    const retirement = now?.retirement ?? before.retirement;
    const isSame =
      isSameRevocation(revoked, before.revoked) &&
      retirement?.retiredAtMs === before.retirement?.retiredAtMs &&
      retirement?.isClosed === before.retirement?.isClosed;
    if (isSame) return before;
    return {
      ...before,
      ...(revoked === undefined ? {} : { revoked }),
      ...(retirement === undefined ? {} : { retirement }),
    };
  }

  private lookAtCrls(): void {
    const now = this.options.elapsedMs();
    if (now - this.crlsLookedAtMs < lookPauseMs) return;
    this.crlsLookedAtMs = now;
    const stamp = this.crls.stamp();
    // As for the records: the first look is later than the start.
    if (stamp !== this.crlsStamp) this.generation += 1;
    this.crlsStamp = stamp;
  }

  /** At most once in a while. */
  private lookAtRecord(name: string): void {
    const now = this.options.elapsedMs();
    const before = this.records.get(name);
    if (before !== undefined && now - before.lookedAtMs < lookPauseMs) return;
    const stamp = this.stampOf(name, revokedCasFileName);
    this.records.set(name, { lookedAtMs: now, stamp });
    // The first look is later than the start: what was recorded in between counts too.
    if (stamp !== (before?.stamp ?? '')) this.generation += 1;
  }

  /** Another one after each change of a file in the CA's folder; empty while it is not there. */
  private stampOf(name: string, fileName: string): string {
    const { directory } = issuerPathsOf(this.options.dataDirectory, name);
    const found = statSync(join(directory, fileName), { throwIfNoEntry: false });
    return found === undefined ? '' : `${String(found.ino)} ${String(found.mtimeMs)}`;
  }
}

function isSameRevocation(one: RevokedCa | undefined, other: RevokedCa | undefined): boolean {
  return (
    one?.serialNumberHex === other?.serialNumberHex &&
    one?.reason === other?.reason &&
    one?.revokedAtMs === other?.revokedAtMs
  );
}
