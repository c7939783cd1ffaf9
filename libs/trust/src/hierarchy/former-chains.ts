import { join } from 'node:path';
import { isCertmillError } from '@certmill/domain';
import { type CaCertificate, readCaCertificate } from './ca-certificate.js';
import { certificatesIn, pemsIn } from './certificates-over-key.js';
import { formerFolderName } from './issuer-paths.js';

/** The CA's certificate first, then those above it. */
export type CaChain = readonly [CaCertificate, ...CaCertificate[]];

export interface FormerChains {
  /**
   * Of each certificate that a CA had before its present one, with the chain that it had at its end, and each chain
   * before that, or before the present one, with another certificate of a CA above.
   */
  readonly chains: readonly CaChain[];
  /** Files that hold no certificates that can be read. */
  readonly unread: readonly string[];
}

/** What the folder of a CA keeps in `former/`. What is damaged hides nothing else. */
export function formerChainsIn(directory: string): FormerChains {
  const chains: CaChain[] = [];
  const unread: string[] = [];
  for (const file of pemsIn(join(directory, formerFolderName))) {
    const chain = chainIn(file);
    if (chain === undefined) unread.push(file);
    else chains.push(chain);
  }
  return { chains, unread };
}

function chainIn(file: string): CaChain | undefined {
  try {
    const [own, ...above] = certificatesIn(file).map((der) => readCaCertificate(der, file));
    return own && [own, ...above];
  } catch (error) {
    if (isCertmillError(error)) return undefined;
    throw error;
  }
}
