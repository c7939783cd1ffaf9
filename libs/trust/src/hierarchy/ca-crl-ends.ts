import { type CaCrlEnd, isCertmillError } from '@certmill/domain';
import type { CaIdentity } from './cas-by-key.js';
import { ImportedCrlFolder, signerIdentity } from './imported-crls.js';
import type { IssuerCatalogue } from './issuer-catalogue.js';
import { type ChosenList, ListsOfCas } from './lists-of-ca.js';

/**
 * The CRLs of CA certificates in a data folder: those that were taken in, and those of CAs above its
 * issuers. Who has no key in a file of the folder, or a quorum, replaces them by hand (`dueCaCrls`).
 */
export class CaCrlEnds {
  readonly #catalogue: Pick<IssuerCatalogue, 'namesAbove'>;
  readonly #imported: ImportedCrlFolder;
  readonly #lists: ListsOfCas;

  constructor(dataDirectory: string, catalogue: Pick<IssuerCatalogue, 'namesAbove'>) {
    this.#catalogue = catalogue;
    this.#imported = new ImportedCrlFolder(dataDirectory);
    this.#lists = new ListsOfCas(dataDirectory, this.#imported);
  }

  /** By name, as they are now. One that is damaged tells nobody that a CA is good: it ended when Unix time began. */
  list(): readonly CaCrlEnd[] {
    const { crls, damaged } = this.#imported.look();
    const imported = [
      ...crls.flatMap(({ ca, signer }) => this.#endOf(ca, signerIdentity(signer)) ?? []),
      ...damaged.map(({ ca, signer }) => {
        const of = signer === undefined ? '' : ` of ${signer.subject}`;
        return { ca, subject: `a CRL${of} that cannot be read`, nextUpdateMs: 0 };
      }),
    ];
    const names = new Set(imported.map(({ ca }) => ca));
    const above = this.#catalogue.namesAbove().filter((ca) => !names.has(ca));
    const own = above.flatMap((ca) => this.#endOf(ca, this.#lists.identityOf(ca)) ?? []);
    return [...imported, ...own].sort((left, right) => (left.ca < right.ca ? -1 : 1));
  }

  /** Unix milliseconds; undefined where there is none. */
  firstEndMs(): number | undefined {
    const ends = this.list().map(({ nextUpdateMs }) => nextUpdateMs);
    return ends.length === 0 ? undefined : Math.min(...ends);
  }

  /** Of the list that is served. Where none tells of all that are revoked, it ended when Unix time began, too. */
  #endOf(name: string, ca: CaIdentity | undefined): CaCrlEnd | undefined {
    const chosen = ca && this.#chosenOf(ca);
    if (chosen === 'unread') {
      return { ca: name, subject: 'a CRL that cannot be read', nextUpdateMs: 0 };
    }
    if (chosen === undefined || Number.isNaN(chosen.list.nextUpdateMs)) return undefined;
    const { list, isHiding } = chosen;
    const subject = list.signer.subject;
    return isHiding
      ? { ca: name, subject: `CRLs of ${subject} that leave out what others have`, nextUpdateMs: 0 }
      : { ca: name, subject, nextUpdateMs: list.nextUpdateMs };
  }

  #chosenOf(ca: CaIdentity): ChosenList | 'unread' | undefined {
    try {
      return this.#lists.chosenOf(ca);
    } catch (error) {
      if (isCertmillError(error) && error.code === 'FAULT_STORE_CORRUPT') return 'unread';
      throw error;
    }
  }
}
