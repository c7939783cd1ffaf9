import { join } from 'node:path';
import { CertmillError, isCertmillError, isName } from '@certmill/domain';
import { isSameBytes } from '../path/path-certificate.js';
import { readCaCertificate } from './ca-certificate.js';
import { damagedCa } from './ca-files.js';
import { caCrlFileName } from './ca-crl-time.js';
import { slotFileName } from './ca-slot.js';
import { type CaIdentity, CasByKey, identityOf } from './cas-by-key.js';
import { fileStamp } from './file-stamp.js';
import { formerChainsIn } from './former-chains.js';
import { ImportedCrlFolder, importedCrlsFolderName, signerIdentity } from './imported-crls.js';
import { issuerNow, isSameRevocation } from './issuer-now.js';
import {
  alternativeFolderName,
  formerFolderName,
  issuedFolderName,
  issuerPathsOf,
  keyFileName,
} from './issuer-paths.js';
import { retirementFileName } from './ca-description.js';
import { conflictFault, ListsOfCas } from './lists-of-ca.js';
import {
  isKeyAtHand,
  type Issuer,
  readVerifiedAuthority,
  readWholeAuthority,
  refusalOf,
  standingOf,
} from './load-issuers.js';
import { revokedCasFileName } from './revoked-cas.js';
import { isUndecided, type IssuerBindings, type ServingIssuer } from './serving-issuers.js';
import { ToldFaults } from './told-faults.js';

/**
 * What a process does about an issuer without a key in its folder or a token: it serves it like any other, for others
 * sign; leaves it out; or tells of what it has signed, and signs nothing (`isKeyAway`).
 */
export type KeylessIssuers = 'served' | 'left-out' | 'told-of';

export interface CatalogueOptions {
  readonly dataDirectory: string;
  /** As they were bound at the start. */
  readonly issuers: readonly ServingIssuer[];
  /** Where a configuration speaks of issuers, one that it does not name is not taken in. */
  readonly configured: IssuerBindings | undefined;
  readonly keyless: KeylessIssuers;
  /** Milliseconds that only grow. */
  readonly elapsedMs: () => number;
}

/** A look at the folder costs a millisecond or less; this bounds what strange names and polling take. */
const lookPauseMs = 1_000;
const looksPerPause = 20;
/** Issuers that nobody asks for are looked at in turn: so many at a time, and for so long. */
const maxLooksAround = 200;
const lookAroundMs = 2;
/** A folder that is being copied is whole by then. */
const fillingMs = 10_000;
const chainFileName = 'chain.pem';
/** Of certificates over the key of a CA that are not in force. */
const keptFolderNames = [formerFolderName, alternativeFolderName];
const twinFileNames = [chainFileName, ...keptFolderNames];
/** Of a folder that could not be read, or was before anybody looked: no stamp is like it. */
const unreadStamp = 'unread';

interface KnownIssuer {
  readonly issuer: ServingIssuer;
  /** Of the CAs above when it was read. */
  readonly generation: number;
  /** CAs of the folder when it was read. */
  readonly cas: number;
  /** Of its own files when it was read. */
  readonly stamp: string;
  readonly lookedAtMs: number;
}

/** Of a CA above. */
interface SeenCa {
  readonly lookedAtMs: number;
  readonly record: string;
  readonly chain: string;
  /** Of what it has signed. */
  readonly issued: string;
  /** Of its CRLs about CA certificates. */
  readonly lists: string;
}

/**
 * The issuers that a process serves, as they are now, without a restart: one that is added to the folder is seen when
 * it is first asked for and is whole; a second after it is asked for, one that is revoked or given up, that has another
 * chain (renewed, or under another CA), and CAs above it that come or have another chain. One that did not
 * change stays the same object. What cannot be read counts as not changed, and is told, until it can; the CAs above are
 * asked all the same, and where that cannot be done the issuer signs nothing. What else is changed in a folder is seen
 * at the next start.
 */
export class IssuerCatalogue {
  private readonly options: CatalogueOptions;
  private readonly known: Map<string, KnownIssuer>;
  private looks = 0;
  private looksBeganMs = -Infinity;
  private readonly crls: ImportedCrlFolder;
  private readonly cas: CasByKey;
  private readonly lists: ListsOfCas;
  private crlsLookedAtMs = -Infinity;
  private crlsStamp = '';
  /** As they are told. */
  private damagedCrls: readonly string[] = [];
  /** CAs with lists of which a later one leaves out what another one has, as they are told. */
  private readonly conflicts = new Set<string>();
  /** Counts changes of CAs above: of what they have revoked, of their chains, and of CRLs that were taken in. */
  private generation = 0;
  /** CAs of the folder at the last look. */
  private casSeen: number;
  private casLookedAtMs = -Infinity;
  /** Folders of CAs that came and cannot be read: what those CAs revoke is not known. */
  private readonly unreadSinceMs = new Map<string, number>();
  private readonly above = new Map<string, SeenCa>();
  private readonly faults: ToldFaults;
  private lookedAroundAtMs = -Infinity;
  /** Looks at issuers that nobody had asked for, so far. */
  private looksAround = 0;

  constructor(options: CatalogueOptions) {
    this.options = options;
    const { dataDirectory, issuers } = options;
    this.crls = new ImportedCrlFolder(dataDirectory);
    this.cas = new CasByKey(dataDirectory);
    this.lists = new ListsOfCas(dataDirectory, this.crls, this.cas);
    this.faults = new ToldFaults(options.elapsedMs);
    for (const issuer of issuers) this.cas.add(issuer.name, issuer);
    this.casSeen = this.cas.count();
    const read = { generation: 0, cas: this.casSeen, stamp: unreadStamp, lookedAtMs: -Infinity };
    this.known = new Map(
      issuers.map((issuer) => [issuer.name, { issuer: this.marked(issuer), ...read }]),
    );
    for (const name of new Set(issuers.flatMap(({ above }) => above))) {
      // What was recorded since the issuers were read counts too.
      const chain = this.stampOf(name, chainFileName);
      const issued = this.issuedStampOf(name);
      this.above.set(name, { lookedAtMs: -Infinity, record: '', chain, issued, lists: '' });
    }
  }

  /** Tells from now on of what cannot be read in the folder. */
  tellFaults(onFault: (error: CertmillError) => void): void {
    this.faults.tellTo(onFault);
  }

  /** By name where they were there at the start, then in the order in which they were asked for. */
  get all(): readonly ServingIssuer[] {
    this.lookAround();
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
    this.lookAtCas();
    for (const ca of known.issuer.above) this.lookAbove(ca);
    const lookedAtMs = this.options.elapsedMs();
    const isFresh = lookedAtMs - known.lookedAtMs < lookPauseMs;
    if (isFresh && known.generation === this.generation) return known.issuer;
    // Before it is read: what is written meanwhile is seen at the next look.
    const stamp = this.ownStampOf(known.issuer);
    if (!this.hasChanged(known, stamp)) return this.keep(known.issuer, stamp, lookedAtMs);
    const { issuer, isRead } = this.readAgain(known.issuer);
    return this.keep(issuer, isRead ? stamp : unreadStamp, lookedAtMs);
  }

  /**
   * Throws FAULT_PROCESSING, with the reason, where the issuer signs nothing at the time, and FAULT_ISSUER_UNKNOWN while
   * nobody knows whether it is revoked.
   */
  assertSigns(name: string, nowMs: number): void {
    const issuer = this.find(name);
    const refusal = issuer === undefined ? 'is not there' : refusalOf(issuer, nowMs);
    if (refusal === undefined) return;
    const isWaiting = issuer !== undefined && isUndecided(issuer);
    const code = isWaiting ? 'FAULT_ISSUER_UNKNOWN' : 'FAULT_PROCESSING';
    throw new CertmillError(code, `issuer ${name.slice(0, 80)} ${refusal}`);
  }

  /**
   * When the certificates end that an issuer had before its present one, as far as its folder keeps them, Unix
   * milliseconds; undefined for one that cannot be read, which is told. None of an unknown issuer.
   */
  formerEndsOf(name: string): readonly (number | undefined)[] {
    const issuer = this.find(name);
    if (issuer === undefined) return [];
    const { chains, unread } = formerChainsIn(issuer.directory);
    const [file] = unread;
    const place = `${name}/${formerFolderName}`;
    if (file === undefined) this.faults.clear(place);
    else this.faults.tell(place, damagedCa(name, `${file} cannot be read: its end is not known`));
    // One in force may have stood under another certificate of a CA above.
    const [inForce = new Uint8Array()] = issuer.chainDer;
    const former = chains.filter(([{ der }]) => !isSameBytes(der, inForce));
    return [...former.map(([{ notAfterMs }]) => notAfterMs), ...unread.map(() => undefined)];
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
    const { configured, dataDirectory, issuers, keyless } = this.options;
    if (configured !== undefined || !isName(name)) return undefined;
    const issuer = readWholeAuthority(
      dataDirectory,
      name,
      issuers[0]?.serialKeyId,
      this.crls,
      this.cas,
    );
    if (issuer?.role !== 'issuing') return undefined;
    if (keyless === 'left-out' && !isKeyAtHand(issuer)) return undefined;
    return this.keep(issuer, unreadStamp, -Infinity);
  }

  private keep(read: ServingIssuer, stamp: string, lookedAtMs: number): ServingIssuer {
    const { generation, casSeen: cas } = this;
    const issuer = this.marked(read);
    this.known.set(issuer.name, { issuer, generation, cas, stamp, lookedAtMs });
    return issuer;
  }

  private marked(issuer: ServingIssuer): ServingIssuer {
    const isKeyAway = this.options.keyless === 'told-of' && !isKeyAtHand(issuer);
    return isKeyAway === (issuer.isKeyAway === true) ? issuer : { ...issuer, isKeyAway };
  }

  private hasChanged({ issuer, generation, cas, stamp }: KnownIssuer, now: string): boolean {
    if (generation !== this.generation || stamp !== now) return true;
    // A CA above it was not in the folder when it was read.
    return (
      cas < this.casSeen &&
      issuer.chainDer.slice(1).some((der) => {
        const ca = identityOf(der);
        return ca !== undefined && this.cas.hasComeSince(cas, ca);
      })
    );
  }

  private readAgain(before: ServingIssuer): {
    readonly issuer: ServingIssuer;
    readonly isRead: boolean;
  } {
    const { name, serialKeyId } = before;
    const { dataDirectory } = this.options;
    try {
      const now = readVerifiedAuthority(dataDirectory, name, serialKeyId, this.crls, this.cas);
      if (now === undefined) throw damagedCa(name, 'its folder is not there any more');
      const issuer = issuerNow(before.isKeyAway === true ? withKeyOf(before, now) : before, now);
      this.faults.clear(name);
      return { issuer, isRead: true };
    } catch (error) {
      this.faults.tell(name, damageIn(error));
      return { issuer: this.judged(before), isRead: false };
    }
  }

  /** An issuer whose folder cannot be read: its chain is that before, and the CAs above say whether it is good. */
  private judged(before: ServingIssuer): ServingIssuer {
    const { name, chainDer } = before;
    try {
      const chain = chainDer.map((der) => readCaCertificate(der, `the chain of '${name}'`));
      const { dataDirectory } = this.options;
      const standing = standingOf(dataDirectory, name, chain, this.crls, this.cas);
      const revoked = standing.revoked ?? before.revoked;
      const isSame = isSameRevocation(revoked, before.revoked) && before.isUnjudged !== true;
      if (isSame) return before;
      const known = { ...before, isUnjudged: false };
      return revoked === undefined ? known : { ...known, revoked };
    } catch (error) {
      damageIn(error);
      return before.isUnjudged === true ? before : { ...before, isUnjudged: true };
    }
  }

  /** Issuers that nobody asks for are seen as they are, too: some at a time. */
  private lookAround(): void {
    const beganMs = this.options.elapsedMs();
    if (beganMs - this.lookedAroundAtMs < lookPauseMs) return;
    this.lookedAroundAtMs = beganMs;
    const names = [...this.known.keys()];
    for (let looks = Math.min(names.length, maxLooksAround); looks > 0; looks -= 1) {
      const name = names[this.looksAround % names.length];
      this.looksAround += 1;
      if (name !== undefined) this.find(name);
      if (this.options.elapsedMs() - beganMs > lookAroundMs) return;
    }
  }

  private lookAtCrls(): void {
    const now = this.options.elapsedMs();
    if (now - this.crlsLookedAtMs < lookPauseMs) return;
    this.crlsLookedAtMs = now;
    const stamp = this.crls.stamp();
    // As for the records: the first look is later than the start.
    const isSame = stamp === this.crlsStamp;
    if (!isSame) this.generation += 1;
    this.crlsStamp = stamp;
    const hasTold = this.damagedCrls.length + this.conflicts.size > 0;
    if (!isSame || hasTold) this.tellImportedCrls();
  }

  /** Also of those that hide nothing of the issuers here: the CRL is not served either. */
  private tellImportedCrls(): void {
    const { crls, damaged } = this.crls.look();
    const placeOf = (ca: string): string => `${importedCrlsFolderName}/${ca}`;
    const names = damaged.map(({ ca }) => placeOf(ca));
    for (const name of this.damagedCrls) if (!names.includes(name)) this.faults.clear(name);
    for (const { ca, error } of damaged) this.faults.tell(placeOf(ca), error);
    this.damagedCrls = names;
    const taken = new Set(crls.map(({ ca }) => placeOf(ca)));
    for (const place of this.conflicts) {
      if (place.startsWith(placeOf('')) && !taken.has(place)) this.conflicts.delete(place);
    }
    for (const { ca, signer } of crls) {
      const same = signerIdentity(signer);
      // Of one with a folder here it is told as of a CA above.
      if (this.cas.namesOf(same).length === 0) this.tellConflict(placeOf(ca), same);
    }
  }

  private tellConflict(place: string, ca: CaIdentity): void {
    const fault = this.conflictOf(ca);
    if (fault !== undefined) {
      this.conflicts.add(place);
      this.faults.tell(place, fault);
    } else if (this.conflicts.delete(place)) this.faults.clear(place);
  }

  private conflictOf(ca: CaIdentity): CertmillError | undefined {
    try {
      const chosen = this.lists.chosenOf(ca);
      return chosen && conflictFault(chosen);
    } catch (error) {
      return damageIn(error);
    }
  }

  /** Of all lists of a CA: one of another folder, or that was taken in by another name, may be served. */
  private lookAtLists(name: string, before: string | undefined): string {
    try {
      const same = this.lists.identityOf(name);
      const names = same === undefined ? [] : this.cas.namesOf(same);
      const own = names.flatMap((twin) =>
        [caCrlFileName, revokedCasFileName].map((file) => this.stampOf(twin, file)),
      );
      const stamp = [this.crlsStamp, ...own].join();
      if (same === undefined || (stamp === before && !this.conflicts.has(name))) return stamp;
      this.tellConflict(name, same);
      return stamp;
    } catch (error) {
      this.conflicts.add(name);
      this.faults.tell(name, damageIn(error));
      return unreadStamp;
    }
  }

  /** At CAs that come into the folder; at most once in a while. */
  private lookAtCas(): void {
    const now = this.options.elapsedMs();
    if (now - this.casLookedAtMs < lookPauseMs) return;
    this.casLookedAtMs = now;
    this.casSeen = this.cas.count();
    for (const name of this.unreadSinceMs.keys()) {
      if (!this.cas.unread.has(name)) this.unreadSinceMs.delete(name);
    }
    for (const name of this.cas.unread) {
      const sinceMs = this.unreadSinceMs.get(name) ?? now;
      this.unreadSinceMs.set(name, sinceMs);
      if (now - sinceMs < fillingMs) continue;
      this.faults.tell(name, damagedCa(name, 'its folder has no certificate that can be read'));
    }
  }

  /** The same, at a CA above issuers. */
  private lookAbove(name: string): void {
    const now = this.options.elapsedMs();
    const before = this.above.get(name);
    if (before !== undefined && now - before.lookedAtMs < lookPauseMs) return;
    const record = this.stampOf(name, revokedCasFileName);
    const chain = this.stampOf(name, chainFileName);
    const issued = this.issuedStampOf(name);
    const lists = this.lookAtLists(name, before?.lists);
    this.above.set(name, { lookedAtMs: now, record, chain, issued, lists });
    // The first look is later than the start: what was recorded in between counts too.
    const isSame =
      record === (before?.record ?? '') &&
      chain === (before?.chain ?? chain) &&
      issued === (before?.issued ?? issued);
    if (!isSame) this.generation += 1;
  }

  /** What a CA has signed says over which key a certificate is that a CRL lists: asked for where there are CRLs. */
  private issuedStampOf(name: string): string {
    return this.crlsStamp === '' ? '' : this.stampOf(name, issuedFolderName);
  }

  /** Of what decides about it in its folder, and in others of the same CA: any certificate over its key may be listed. */
  private ownStampOf(issuer: ServingIssuer): string {
    const { name } = issuer;
    const stamps = [chainFileName, retirementFileName, ...keptFolderNames].map((file) =>
      this.stampOf(name, file),
    );
    // Copied after the chain, or put back.
    if (issuer.isKeyAway === true) {
      stamps.push(this.stampOf(name, keyFileName), this.stampOf(name, slotFileName));
    }
    for (const twin of this.cas.namesOf(issuer)) {
      if (twin === name) continue;
      stamps.push(twin, ...twinFileNames.map((file) => this.stampOf(twin, file)));
    }
    return stamps.join();
  }

  /** Another one after each change of a file in the CA's folder; empty while it is not there. */
  private stampOf(name: string, fileName: string): string {
    const { directory } = issuerPathsOf(this.options.dataDirectory, name);
    return fileStamp(join(directory, fileName));
  }
}

/** With the place of the key that has come since. */
function withKeyOf(before: ServingIssuer, { hasKey, slot }: Issuer): ServingIssuer {
  return slot === undefined ? { ...before, hasKey } : { ...before, hasKey, slot };
}

/** Throws anything else than damage. */
function damageIn(error: unknown): CertmillError {
  if (isCertmillError(error) && error.code === 'FAULT_STORE_CORRUPT') return error;
  throw error;
}
