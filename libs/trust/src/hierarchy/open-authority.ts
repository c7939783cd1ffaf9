import { createPublicKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { CertmillError } from '@certmill/domain';
import { decryptPrivateKey } from '../keys/encrypted-private-key.js';
import { caSignerOf, type CaSigner, type SoftwareCaSigner } from './ca-key.js';
import type { CaModules, CaSlot } from './ca-slot.js';
import { findAuthority, type Issuer, refusalOf } from './load-issuers.js';

/** A CA of a folder with its key, ready to sign: a `CaParent`. */
export interface OpenedAuthority {
  readonly ca: Issuer;
  /** As the CA's. */
  readonly chainDer: readonly Uint8Array[];
  readonly signer: SoftwareCaSigner;
}

/** The same with a key that may be in a module. */
export type SigningAuthority = Omit<OpenedAuthority, 'signer'> & { readonly signer: CaSigner };

/** Where a CA is, and what opens its key. */
export interface AuthorityPlace {
  /** The data folder that has its key: for a root that is kept elsewhere, that one. */
  readonly directory: string;
  readonly name: string;
  readonly passphrase: string;
  /** Reaches a key that is in a module. */
  readonly modules?: CaModules;
}

/** A CA of any role; NOT_FOUND with the names of the place. */
export async function authorityIn(directory: string, name: string): Promise<Issuer> {
  const ca = await findAuthority(directory, name);
  if (ca !== undefined) return ca;
  throw new CertmillError('NOT_FOUND', `there is no CA '${name.slice(0, 80)}' in ${directory}`);
}

/**
 * Opens a CA whose key is in its folder. NOT_FOUND where CA or key are not there, CONFLICT where it is
 * expired or revoked, INVALID_INPUT for a wrong passphrase, FAULT_KEY_MISMATCH for another CA's key.
 */
export async function openAuthority(
  place: AuthorityPlace,
  nowMs: number,
): Promise<OpenedAuthority> {
  const { name } = place;
  const opened = await openAuthorityKey(place);
  const refusal = refusalOf(opened.ca, nowMs);
  if (refusal !== undefined) throw new CertmillError('CONFLICT', `CA '${name}' ${refusal}`);
  return opened;
}

/** The same whatever has become of the CA: a revoked one still signs its CRL. */
export async function openAuthorityKey({
  directory,
  name,
  passphrase,
  modules,
}: AuthorityPlace): Promise<OpenedAuthority> {
  const ca = await authorityIn(directory, name);
  if (ca.slot !== undefined && modules !== undefined) {
    return { ca, chainDer: ca.chainDer, signer: await signerIn(ca.slot, ca, modules) };
  }
  if (!ca.hasKey) {
    throw new CertmillError(
      'NOT_FOUND',
      `the key of CA '${name}' is not in ${directory}; make a request with 'certmill ca request', ` +
        "and sign it where the key is: 'certmill ca sign'",
    );
  }
  const pem = await readFile(ca.keyFile, 'utf8');
  const key = decryptPrivateKey(pem, passphrase, `the key ${ca.keyFile}`);
  const spkiDer = createPublicKey(key).export({ format: 'der', type: 'spki' });
  assertOwnKey(spkiDer, ca);
  return { ca, chainDer: ca.chainDer, signer: caSignerOf(key, ca.spkiDer) };
}

/** The key of a CA in its module. FAULT_KEY_MISMATCH where another key is there. */
export async function signerIn(
  slot: CaSlot,
  ca: Issuer,
  modules: CaModules,
): Promise<SoftwareCaSigner> {
  const signer = await modules.open(slot, ca.keyType);
  assertOwnKey(signer.subjectPKInfoDer, ca);
  return signer;
}

function assertOwnKey(spkiDer: Uint8Array, ca: Issuer): void {
  if (Buffer.compare(spkiDer, ca.spkiDer) === 0) return;
  throw new CertmillError(
    'FAULT_KEY_MISMATCH',
    `the key of CA '${ca.name}' does not belong to its certificate`,
  );
}
