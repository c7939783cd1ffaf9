import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CaCrlEnd } from '@certmill/domain';
import { isErrorCode } from '../atomic-file.js';
import { nameView } from '../inspect/view.js';
import { type ReadCrl, readCrl } from '../path/crl-status.js';
import { isSameBytes } from '../path/path-certificate.js';
import { type ImportedCrl, ImportedCrlFolder } from './imported-crls.js';
import { caCrlFileName } from './ca-crl-time.js';
import { CasByKey } from './cas-by-key.js';
import type { IssuerCatalogue } from './issuer-catalogue.js';
import { issuerPathsOf } from './issuer-paths.js';

/**
 * The CRLs of CA certificates in a data folder: those that were taken in, and those of CAs above its
 * issuers. Who has no key in a file of the folder, or a quorum, replaces them by hand (`dueCaCrls`).
 */
export class CaCrlEnds {
  readonly #dataDirectory: string;
  readonly #catalogue: Pick<IssuerCatalogue, 'namesAbove'>;
  readonly #imported: ImportedCrlFolder;
  readonly #cas: CasByKey;

  constructor(dataDirectory: string, catalogue: Pick<IssuerCatalogue, 'namesAbove'>) {
    this.#dataDirectory = dataDirectory;
    this.#catalogue = catalogue;
    this.#imported = new ImportedCrlFolder(dataDirectory);
    this.#cas = new CasByKey(dataDirectory);
  }

  /** By name, as they are now. One that is damaged tells nobody that a CA is good: it ended when Unix time began. */
  list(): readonly CaCrlEnd[] {
    const { crls, damaged } = this.#imported.look();
    const imported = [
      ...crls.map((crl) => this.#endOf(crl)),
      ...damaged.map(({ ca, signer }) => {
        const of = signer === undefined ? '' : ` of ${signer.subject}`;
        return { ca, subject: `a CRL${of} that cannot be read`, nextUpdateMs: 0 };
      }),
    ];
    const names = new Set(imported.map(({ ca }) => ca));
    const own = this.#catalogue.namesAbove().flatMap((ca) => {
      const crl = names.has(ca) ? undefined : this.#ownCrl(ca);
      if (crl === undefined || Number.isNaN(crl.walk.nextUpdateSeconds)) return [];
      const nextUpdateMs = crl.walk.nextUpdateSeconds * 1_000;
      return [{ ca, subject: nameView(crl.issuer), nextUpdateMs }];
    });
    return [...imported, ...own].sort((left, right) => (left.ca < right.ca ? -1 : 1));
  }

  /** Unix milliseconds; undefined where there is none. */
  firstEndMs(): number | undefined {
    const ends = this.list().map(({ nextUpdateMs }) => nextUpdateMs);
    return ends.length === 0 ? undefined : Math.min(...ends);
  }

  /** Of the list that is served: one in a folder of the CA may be a later one. */
  #endOf({ ca, signer, crlNumber, nextUpdateMs }: ImportedCrl): CaCrlEnd {
    const identity = {
      subjectDer: signer.certificate.subject.der,
      spkiDer: signer.subjectPKInfoDer,
    };
    let last = { crlNumber, nextUpdateMs };
    for (const name of new Set([ca, ...this.#cas.namesOf(identity)])) {
      const own = this.#ownCrl(name);
      const ownEndMs = (own?.walk.nextUpdateSeconds ?? NaN) * 1_000;
      if (own?.crlNumber === undefined || Number.isNaN(ownEndMs)) continue;
      if (!isSameBytes(own.issuer.der, identity.subjectDer)) continue;
      if (own.crlNumber < last.crlNumber) continue;
      last = { crlNumber: own.crlNumber, nextUpdateMs: ownEndMs };
    }
    return { ca, subject: signer.subject, nextUpdateMs: last.nextUpdateMs };
  }

  #ownCrl(ca: string): ReadCrl | undefined {
    try {
      return readCrl(
        readFileSync(join(issuerPathsOf(this.#dataDirectory, ca).directory, caCrlFileName)),
      );
    } catch (error) {
      if (isErrorCode(error, 'ENOENT')) return undefined;
      throw error;
    }
  }
}
