import { createPrivateKey, hash } from 'node:crypto';
import { join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import { encryptPrivateKey } from '../../keys/encrypted-private-key.js';
import { issuerPathsOf } from '../../hierarchy/issuer-paths.js';
import type { StepOf } from '../ceremony-file.js';
import { newOperationId } from '../operation.js';
import { ceremonyQuorum } from '../parse-ceremony.js';
import { readQuorumPolicy, serializeQuorumPolicy } from '../quorum-policy.js';
import {
  caCertificateIn,
  keyFormOf,
  keyNotFound,
  openCaKey,
  readTextOrUndefined,
  sealedKeyFileName,
  splitAmongCustodians,
  type StepContext,
  type StepFacts,
} from '../step-context.js';

/** Splits a key that lay whole, or splits one anew, for instance among other custodians. */
export async function splitKey(
  { ca }: StepOf<'split-key'>,
  context: StepContext,
): Promise<StepFacts> {
  const { dataDirectory, stage, ceremony } = context;
  const form = await keyFormOf(dataDirectory, ca);
  const pkcs8 = await openCaKey(ca, context);
  try {
    const sealed = await splitAmongCustodians(pkcs8, `key ${ca}`, context);
    await stage.put(`ca/${ca}/${sealedKeyFileName}`, `${JSON.stringify(sealed, undefined, 2)}\n`);
  } finally {
    pkcs8.fill(0);
  }
  if (form === 'whole') await stage.destroy(`ca/${ca}/key.pem`);
  return { ca, before: form, threshold: ceremony.quorum.shares };
}

/** Puts a key together and back under the passphrase of the data folder. */
export async function recoverKey(
  { ca }: StepOf<'recover-key'>,
  context: StepContext,
): Promise<StepFacts> {
  const { dataDirectory, stage, custody } = context;
  if ((await keyFormOf(dataDirectory, ca)) !== 'sealed') {
    throw new CertmillError('NOT_FOUND', `the key of CA '${ca}' is not split`);
  }
  const pkcs8 = await openCaKey(ca, context);
  try {
    const pem = await encryptPrivateKey(pkcs8, await custody.folderPassphrase());
    await stage.put(`ca/${ca}/key.pem`, pem);
  } finally {
    pkcs8.fill(0);
  }
  await stage.destroy(`ca/${ca}/${sealedKeyFileName}`);
  return { ca };
}

/** Destroys the key of a CA for good. Its certificate stays, for what it has signed. */
export async function destroyKey(
  { ca, reason }: StepOf<'destroy-key'>,
  { dataDirectory, stage }: StepContext,
): Promise<StepFacts> {
  const certificate = await caCertificateIn(dataDirectory, ca);
  const names = ['key.pem', sealedKeyFileName];
  const { directory } = issuerPathsOf(dataDirectory, ca);
  for (const name of names) {
    if ((await readTextOrUndefined(join(directory, name))) === undefined) continue;
    await stage.destroy(`ca/${ca}/${name}`);
  }
  if (stage.effects.length === 0) {
    throw await keyNotFound(dataDirectory, ca);
  }
  return { ca, reason, ...keyFacts(certificate) };
}

/** From now on this installation asks for the quorum of the ceremony. */
export async function adoptQuorum(
  _step: StepOf<'adopt-quorum'>,
  { ceremony, dataDirectory, stage }: StepContext,
): Promise<StepFacts> {
  const quorum = ceremonyQuorum(ceremony);
  const installation = (await readQuorumPolicy(dataDirectory))?.installation ?? newOperationId();
  await stage.put('ca/quorum.json', serializeQuorumPolicy(quorum, installation));
  return {
    installation,
    threshold: quorum.threshold,
    approvers: quorum.approvers.map(({ name }) => name),
  };
}

/** Names a key without telling anything of it. */
export function keyFacts(certificate: {
  readonly der: Uint8Array;
  readonly spkiDer: Uint8Array;
}): StepFacts {
  return {
    certificateSha256: hash('sha256', certificate.der, 'hex'),
    publicKeySha256: hash('sha256', certificate.spkiDer, 'hex'),
  };
}

/** The private key of PKCS#8 bytes, which stay the caller's to wipe. */
export function privateKeyOf(pkcs8: Uint8Array): ReturnType<typeof createPrivateKey> {
  const key = Buffer.from(pkcs8.buffer, pkcs8.byteOffset, pkcs8.length);
  return createPrivateKey({ key, format: 'der', type: 'pkcs8' });
}
