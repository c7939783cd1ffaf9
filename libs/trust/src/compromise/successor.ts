import { join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import { exists } from '../ceremony/ceremony-folder.js';
import { readCaCertificate } from '../hierarchy/ca-certificate.js';
import { caCommonName, withCommonName } from '../hierarchy/distinguished-name.js';
import { type AuthorityWish, issueAuthority } from '../hierarchy/issue-authority.js';
import { findAuthority, isKeyAtHand, type Issuer, refusalOf } from '../hierarchy/load-issuers.js';
import type { AuthorityPlace } from '../hierarchy/open-authority.js';
import { specOfCertificate } from '../hierarchy/certificate-spec.js';
import { assertKeyPlace } from '../hierarchy/new-ca-key.js';
import { caRequestsFolderName, requestAuthority } from '../hierarchy/request-authority.js';

export interface SuccessorOptions extends Pick<
  AuthorityWish,
  'name' | 'directory' | 'passphrase' | 'slot' | 'modules' | 'lifetimeSeconds'
> {
  /** The issuer whose place it takes: what stands in that one's certificate, stands in its own. */
  readonly old: Issuer;
  /** Absent: that of the old one with a commonName of its own. */
  readonly subjectDer?: Uint8Array;
  readonly keyType?: AuthorityWish['keyType'];
  readonly status?: AuthorityWish['status'];
  /** The CA that signs it; undefined where its key is elsewhere. */
  readonly parent: AuthorityPlace | undefined;
  readonly nowMs: number;
}

/** It is there; or its request is, to be carried to the CA that signs it. */
export type SuccessorOutcome =
  | { readonly kind: 'there'; readonly ca: Issuer }
  | { readonly kind: 'requested'; readonly requestFile: string };

/**
 * Makes the issuing CA that takes the place of another one, with a subject and a key of its own: what is
 * signed by the old one says nothing of it. Repeating it is success. Throws as `issueAuthority`, and
 * CONFLICT where what is there cannot take its place.
 */
export async function makeSuccessor(options: SuccessorOptions): Promise<SuccessorOutcome> {
  const { name, directory, parent, nowMs } = options;
  const there = await findAuthority(directory, name);
  if (there !== undefined) {
    assertSuccessor(there, options.old, nowMs);
    return { kind: 'there', ca: there };
  }
  assertKeyPlace(options.old, options.slot !== undefined);
  const wish = wishOf(options);
  if (parent !== undefined) {
    return { kind: 'there', ca: await issueAuthority(wish, parent, nowMs) };
  }
  const requestFile = join(directory, caRequestsFolderName, name, 'request.pem');
  if (!(await exists(requestFile))) await requestAuthority(wish);
  return { kind: 'requested', requestFile };
}

/** CONFLICT where no order can be opened under the CA now, or it is the same key. */
export function assertSuccessor(ca: Issuer, old: Issuer, nowMs: number): void {
  const reason =
    refusalOf(ca, nowMs) ??
    (ca.role === 'issuing' ? undefined : 'issues nothing to devices') ??
    (isKeyAtHand(ca) ? undefined : 'has its key elsewhere') ??
    (ca.retirement === undefined ? undefined : 'is retired') ??
    (ca.order === undefined ? undefined : 'was made for one order') ??
    (Buffer.compare(ca.spkiDer, old.spkiDer) === 0 ? 'has the same key' : undefined);
  if (reason === undefined) return;
  throw new CertmillError('CONFLICT', `'${ca.name}' cannot take the place: it ${reason}`);
}

function wishOf(options: SuccessorOptions): AuthorityWish {
  const { name, directory, passphrase, lifetimeSeconds, old, slot, modules } = options;
  const [der = new Uint8Array()] = old.chainDer;
  const { policies, extKeyUsage, nameConstraints } = specOfCertificate(
    readCaCertificate(der, `the certificate of CA '${old.name}'`),
  );
  const status = options.status ?? old.status;
  const subjectDer =
    options.subjectDer ?? withCommonName(old.subjectDer, caCommonName(name, 'issuing CA'));
  return {
    ...{ name, directory, passphrase, subjectDer },
    keyType: options.keyType ?? old.keyType,
    pathLenConstraint: 0,
    ...(slot === undefined ? {} : { slot }),
    ...(modules === undefined ? {} : { modules }),
    ...(lifetimeSeconds === undefined ? {} : { lifetimeSeconds }),
    ...(policies === undefined ? {} : { policies }),
    ...(extKeyUsage === undefined ? {} : { extKeyUsage }),
    ...(nameConstraints === undefined ? {} : { nameConstraints }),
    ...(status === undefined ? {} : { status }),
  };
}
