import { dirname, join } from 'node:path';
import { isCertmillError } from '@certmill/domain';
import {
  type CertificateLimits,
  type IssuerLimits,
  limitsOfChain,
} from '@certmill/pipeline/compute';
import { type CaCertificate, readCaCertificate } from '../hierarchy/ca-certificate.js';
import { CasByKey, isSameCa } from '../hierarchy/cas-by-key.js';
import { checkChain } from '../hierarchy/check-chain.js';
import { type CaChain, type FormerChains, formerChainsIn } from '../hierarchy/former-chains.js';
import { caDirectoryOf } from '../hierarchy/issuer-paths.js';
import type { Issuer } from '../hierarchy/load-issuers.js';

/** What a certificate of an issuer says of those that are issued under it, and the CAs above it then. */
export type IssuerLife = Pick<Issuer, 'subjectDer' | 'notBeforeMs' | 'notAfterMs'> & IssuerLimits;

export interface IssuerLives {
  /** That of the certificate in force first. */
  readonly lives: readonly [IssuerLife, ...IssuerLife[]];
  /** Files of former certificates of the issuer that cannot be read: what they allowed is not known. */
  readonly unread: readonly string[];
}

/**
 * The lives of issuers whose folders lie in one data folder: what was issued while a certificate was in force was bounded
 * by that, and by those that the CAs above it had then. A life is each certificate that the issuer has or had, under each
 * that those CAs have or had; which of them were in force at one time nobody records.
 */
export class IssuerLifeReader {
  readonly #cas = new Map<string, CasByKey>();
  /** By the folder of a CA. */
  readonly #former = new Map<string, FormerChains>();

  /** Former certificates that are of another CA, or whose chain is none, are left out. */
  of(issuer: Issuer): IssuerLives {
    const [own, ...above] = issuer.chainDer.map((der) => readCaCertificate(der, issuer.chainFile));
    if (own === undefined) return { lives: [issuer], unread: [] };
    const dataDirectory = dirname(dirname(issuer.directory));
    const inForce: CaChain = [own, ...above];
    const { unread } = this.#formerOf(issuer.directory);
    const lives = new Map<string, IssuerLife>();
    const take = (life: IssuerLife): void => {
      const id = idOf(life);
      if (!lives.has(id)) lives.set(id, life);
    };
    for (const [ca, ...rest] of [inForce, ...this.#formerChains(issuer.directory, inForce)]) {
      // Of the certificate in force the issuer says itself what bounds it.
      const { subjectDer, notBeforeMs, notAfterMs } = ca === own ? issuer : ca;
      for (const limits of this.#limitsAbove(dataDirectory, rest, [issuer.directory])) {
        const ofChain = limitsOfChain([ca.limits, ...limits]);
        take({ subjectDer, notBeforeMs, notAfterMs, ...ofChain });
      }
    }
    const ended = [...lives].filter(([id]) => id !== idOf(issuer)).map(([, life]) => life);
    return { lives: [issuer, ...ended], unread };
  }

  /** What the CAs of a chain leave to those below it, in each way that they ever did. */
  #limitsAbove(
    dataDirectory: string,
    chain: readonly CaCertificate[],
    below: readonly string[],
  ): readonly (readonly CertificateLimits[])[] {
    const [ca, ...above] = chain;
    if (ca === undefined) return [[]];
    const inChain: CaChain = [ca, ...above];
    const ways = new Map<string, readonly CertificateLimits[]>();
    const folders = this.#foldersOf(dataDirectory, ca).filter((folder) => !below.includes(folder));
    const chains = folders.flatMap((folder) => this.#formerChains(folder, inChain));
    for (const [own, ...rest] of [inChain, ...chains]) {
      for (const way of this.#limitsAbove(dataDirectory, rest, [...below, ...folders])) {
        const limits = [own.limits, ...way];
        ways.set(idOf(limitsOfChain(limits)), limits);
      }
    }
    return [...ways.values()];
  }

  #foldersOf(dataDirectory: string, ca: CaCertificate): readonly string[] {
    const cas = this.#cas.get(dataDirectory) ?? new CasByKey(dataDirectory);
    this.#cas.set(dataDirectory, cas);
    return cas.namesOf(ca).map((name) => join(caDirectoryOf(dataDirectory), name));
  }

  /** Sound chains only: a file says of a CA what those above it have signed. */
  #formerChains(directory: string, inForce: CaChain): readonly CaChain[] {
    return this.#formerOf(directory).chains.flatMap((chain) => {
      if (!isSameCa(chain[0], inForce[0])) return [];
      if (isSound(chain)) return [chain];
      const [own] = chain;
      const underPresent: CaChain = [own, ...inForce.slice(1)];
      return isSound(underPresent) ? [underPresent] : [];
    });
  }

  #formerOf(directory: string): FormerChains {
    const former = this.#former.get(directory) ?? formerChainsIn(directory);
    this.#former.set(directory, former);
    return former;
  }
}

function isSound(chain: CaChain): boolean {
  try {
    checkChain(chain, undefined);
    return true;
  } catch (error) {
    if (isCertmillError(error)) return false;
    throw error;
  }
}

/** Two with the same bound what is issued alike. */
function idOf(life: Partial<IssuerLife>): string {
  const { subjectDer, notBeforeMs, notAfterMs, nameConstraints, extKeyUsage, policies } = life;
  return JSON.stringify(
    [subjectDer, notBeforeMs, notAfterMs, nameConstraints, extKeyUsage, policies],
    (_, value: unknown) =>
      value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value,
  );
}
