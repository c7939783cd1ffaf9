import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CertmillError, type StatusAddresses } from '@certmill/domain';
import { pemEncode } from '@certmill/der';
import {
  isErrorCode,
  publicFileMode,
  secretFileMode,
  syncDirectory,
  writeFileAtomically,
} from '../atomic-file.js';
import { encryptPrivateKey } from '../keys/encrypted-private-key.js';
import { assertUsualForm } from '../keys/key-form.js';
import { type CaCertificate, readCaCertificate } from './ca-certificate.js';
import { checkedFileName, digestOfChain } from './ca-files.js';
import { checkNewChainDer } from './check-chain.js';
import { type CaDescription, descriptionFileName, writeDescription } from './ca-description.js';
import { type CaSlot, slotFileName, writeSlot } from './ca-slot.js';
import { assertOwnName, type NewCaName } from './own-name.js';
import { type RevokedCa, revokedBeforeFileName, writeRevokedCas } from './revoked-cas.js';
import { assertServedNameFree } from './served-name.js';
import { statusFileName, writeStatus } from './status-file.js';
import { saltOfFolder } from './folder-salt.js';
import { issuerPathsOf, pathsIn, type IssuerPaths } from './issuer-paths.js';

export interface IssuerFolderContent {
  /** The CA's certificate first, the root last. */
  readonly chainDer: readonly Uint8Array[];
  /** Absent: the key is kept elsewhere, or in a module. */
  readonly key?: CaFolderKey;
  readonly slot?: CaSlot;
  /** Of the certificates that the CA will issue (ADR 0020). */
  readonly status?: StatusAddresses;
  readonly description?: CaDescription;
  /** Of a root with a new key: what the one before has revoked. */
  readonly revokedBefore?: readonly RevokedCa[];
}

/** A key to be encrypted, or one that is; PKCS#8 is overwritten with zeros once it is encrypted. */
export type CaFolderKey =
  | { readonly pkcs8Der: Uint8Array; readonly passphrase: string }
  | { readonly encryptedPem: string };

/** CONFLICT where the folder is there: a CA key is never written over. */
export async function assertNoIssuer(dataDirectory: string, name: string): Promise<void> {
  try {
    await stat(issuerPathsOf(dataDirectory, name).directory);
  } catch (cause) {
    if (isErrorCode(cause, 'ENOENT')) return;
    throw cause;
  }
  throw alreadyThere(name);
}

/** The same of a CA whose key is new; CONFLICT, too, as `assertServedNameFree`. */
export async function assertNewIssuer(dataDirectory: string, name: string): Promise<void> {
  await assertNoIssuer(dataDirectory, name);
  assertServedNameFree(dataDirectory, name);
}

/**
 * Writes the folder of a CA; it appears with all of its files or not at all, and what a killed command
 * left of one goes. The caller holds the lock of the CAs (`withCaLock`). INVALID_INPUT where no path goes
 * through the chain (`checkNewChainDer`): what lies there with a digest is not verified again; and as
 * `assertUsualForm`. CONFLICT where the folder is there, and as `assertOwnName` and `assertServedNameFree`.
 */
export async function writeIssuerFolder(
  dataDirectory: string,
  name: string,
  content: IssuerFolderContent,
): Promise<IssuerPaths> {
  checkNewChainDer(content.chainDer);
  const own = ownOf(content);
  assertUsualForm(own.spkiDer, 'the certificate of the CA');
  assertOwnName(dataDirectory, { ...own, ...rekeysOf(content) });
  assertServedNameFree(dataDirectory, name, own);
  const paths = issuerPathsOf(dataDirectory, name);
  const parent = dirname(paths.directory);
  const temporary = join(parent, `.${name}.${randomBytes(6).toString('hex')}.tmp`);
  const pems = content.chainDer.map((der) => pemEncode('CERTIFICATE', der));
  await mkdir(parent, { recursive: true, mode: 0o700 });
  await removeUnfinished(parent, name);
  await mkdir(temporary, { mode: 0o700 });
  try {
    const files = pathsIn(temporary);
    await writeKeyFile(dataDirectory, temporary, content);
    await writeFileAtomically(files.certificateFile, pems[0] ?? '', publicFileMode);
    await writeFileAtomically(files.chainFile, pems.join(''), publicFileMode);
    const digest = `${digestOfChain(pems.join(''))}\n`;
    await writeFileAtomically(join(temporary, checkedFileName), digest, publicFileMode);
    if (content.status !== undefined) {
      await writeStatus(join(temporary, statusFileName), content.status);
    }
    if (content.description !== undefined) {
      await writeDescription(join(temporary, descriptionFileName), content.description);
    }
    if (content.revokedBefore !== undefined && content.revokedBefore.length > 0) {
      await writeRevokedCas(join(temporary, revokedBeforeFileName), content.revokedBefore);
    }
    await rename(temporary, paths.directory);
  } catch (cause) {
    await rm(temporary, { recursive: true, force: true });
    if (isErrorCode(cause, 'ENOTEMPTY') || isErrorCode(cause, 'EEXIST')) throw alreadyThere(name);
    throw cause;
  }
  await syncDirectory(parent);
  return paths;
}

function ownOf({ chainDer }: IssuerFolderContent): CaCertificate {
  return readCaCertificate(chainDer[0] ?? new Uint8Array(), 'the certificate of the CA');
}

function rekeysOf({ description }: IssuerFolderContent): Pick<NewCaName, 'rekeys'> {
  return description?.rekeys === undefined ? {} : { rekeys: description.rekeys };
}

/** What leads to a key, in the folder of a CA or of a request: the encrypted key, or the slot that has it. */
export async function writeKeyFile(
  dataDirectory: string,
  folder: string,
  { key, slot }: Pick<IssuerFolderContent, 'key' | 'slot'>,
): Promise<void> {
  const keyPem = await keyPemOf(dataDirectory, key);
  if (keyPem !== undefined) {
    await writeFileAtomically(pathsIn(folder).keyFile, keyPem, secretFileMode);
  }
  if (slot !== undefined) await writeSlot(join(folder, slotFileName), slot);
}

/** A key that was never in force lies in it: nothing was signed with it that anybody has. */
export async function removeUnfinished(parent: string, name: string): Promise<void> {
  const begin = `.${name}.`;
  for (const entry of await readdir(parent)) {
    if (!entry.startsWith(begin) || !/^[0-9a-f]{12}\.tmp$/.test(entry.slice(begin.length)))
      continue;
    await rm(join(parent, entry), { recursive: true, force: true });
  }
}

async function keyPemOf(
  dataDirectory: string,
  key: CaFolderKey | undefined,
): Promise<string | undefined> {
  if (key === undefined) return undefined;
  if ('encryptedPem' in key) return key.encryptedPem;
  const salt = await saltOfFolder(dataDirectory);
  const pem = await encryptPrivateKey(key.pkcs8Der, key.passphrase, salt);
  key.pkcs8Der.fill(0);
  return pem;
}

function alreadyThere(name: string): CertmillError {
  return new CertmillError('CONFLICT', `a CA named '${name}' is there already`);
}
