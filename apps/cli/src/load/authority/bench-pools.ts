import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { canonicalProfile, type Profile, type StatusAddresses } from '@certmill/domain';
import { builtInProfiles } from '@certmill/domain/profile-files';
import { openSigningPools, softwareSlot, type SigningPools } from '@certmill/signing';
import { createHierarchy, openSerialKeys, type IssuerKeyType } from '@certmill/trust';

/** Guards keys that live as long as a bench. */
const passphrase = 'only for this bench';

export const benchProfile = builtInProfiles().get('tls-client') as Profile;

export interface BenchIssuer {
  readonly name: string;
  readonly keyType?: IssuerKeyType;
  readonly status?: StatusAddresses;
}

export interface BenchPools extends SigningPools {
  readonly serialKeyId: number;
}

/** Makes the issuers in the folder, under one root, and opens sign's pools for them. */
export async function openBenchPools(
  directory: string,
  issuers: readonly BenchIssuer[],
  threadsPerSlot: number,
): Promise<BenchPools> {
  const passphraseFile = join(directory, 'passphrase');
  await writeFile(passphraseFile, passphrase, { mode: 0o600 });
  const made = [];
  for (const issuer of issuers) {
    const nowMs = Date.now();
    const { name, chainDer, keyFile } = await createHierarchy({
      ...issuer,
      directory,
      passphrase,
      nowMs,
    });
    const slot = softwareSlot({ name: 'file', keyFile, passphrase: { file: passphraseFile } });
    const { status } = issuer;
    made.push({ name, chainDer, slots: [slot], ...(status === undefined ? {} : { status }) });
  }
  const { all, current } = await openSerialKeys(directory);
  const pools = await openSigningPools({
    issuers: made,
    profiles: () => canonicalProfile(benchProfile),
    serialKeys: all,
    threadsPerSlot,
    lanes: ['bulk'],
  });
  return { ...pools, serialKeyId: current.id };
}
