import { hash } from 'node:crypto';
import { CertmillError } from '@certmill/domain';
import { pemEncode } from '@certmill/der';
import { readCaCertificate } from '../../hierarchy/ca-certificate.js';
import { issueProfiledCaCertificate } from '../../hierarchy/ca-profiles.js';
import { type CaSigner, caSignerOf, generateCaKey } from '../../hierarchy/ca-key.js';
import { slotFileName, slotText } from '../../hierarchy/ca-slot.js';
import { backdated } from '../../hierarchy/issue-authority.js';
import { newKeyInSlot } from '../../hierarchy/new-ca-key.js';
import { newCaSerialNumber } from '../../hierarchy/issue-ca-certificate.js';
import { rootName } from '../../hierarchy/issuer-paths.js';
import { assertOwnName } from '../../hierarchy/own-name.js';
import {
  readRevokedBefore,
  revokedBeforeText,
  type RevokedKey,
} from '../../hierarchy/revoked-before.js';
import { revokedBeforeFileName } from '../../hierarchy/revoked-cas.js';
import { assertServedNameFree } from '../../hierarchy/served-name.js';
import { statusFileName, statusText } from '../../hierarchy/status-file.js';
import type { StepOf } from '../ceremony-file.js';
import { rootEndOf, rootOf, rootStatusOf } from '../root-wish.js';
import {
  sealedKeyFileName,
  splitAmongCustodians,
  type StepContext,
  type StepFacts,
} from '../step-context.js';

/** Makes a root whose key is split before anything of it is written, or stays in the module that made it. */
export async function makeRoot(
  step: StepOf<'make-root'>,
  context: StepContext,
): Promise<StepFacts> {
  const { profile, ...said } = rootOf(step);
  assertOwnName(context.dataDirectory, said);
  assertServedNameFree(context.dataDirectory, rootName);
  const status = rootStatusOf(step);
  const before = await revokedBeforeIn(step, context);
  const key =
    step.slot === undefined
      ? await keyToSplit(step.key)
      : await keyInModule(step.slot, step.key, said.subjectDer, context);
  try {
    const notBeforeMs = backdated(context.nowMs);
    const certificateDer = await issueProfiledCaCertificate(
      profile,
      {
        ...said,
        serialNumber: newCaSerialNumber(),
        notBeforeMs,
        notAfterMs: rootEndOf(step.validity, notBeforeMs),
      },
      key.signer.subjectPKInfoDer,
      { signer: key.signer },
    );
    const keyFile = await key.keep(context);
    const pem = pemEncode('CERTIFICATE', certificateDer);
    await context.stage.output('root.pem', pem);
    await context.stage.install(`ca/${rootName}`, [
      { name: 'certificate.pem', content: pem },
      { name: 'chain.pem', content: pem },
      keyFile,
      ...(status === undefined ? [] : [{ name: statusFileName, content: statusText(status) }]),
      ...(before === undefined
        ? []
        : [{ name: revokedBeforeFileName, content: revokedBeforeText(before) }]),
    ]);
    return {
      ...{ ...certificateFacts(certificateDer), ...(step.slot ?? {}), ...(status ?? {}) },
      ...(before === undefined ? {} : { revokedBefore: before.length }),
    };
  } finally {
    key.wipe();
  }
}

async function revokedBeforeIn(
  { revokedBefore: file }: StepOf<'make-root'>,
  context: StepContext,
): Promise<readonly RevokedKey[] | undefined> {
  if (file === undefined) return undefined;
  return readRevokedBefore(Buffer.from(await context.input(file)).toString('utf8'), file.file);
}

interface RootKey {
  readonly signer: CaSigner;
  /** The file of the root's folder that leads to the key. */
  keep(context: StepContext): Promise<{ readonly name: string; readonly content: string }>;
  wipe(): void;
}

async function keyToSplit(keyType: StepOf<'make-root'>['key']): Promise<RootKey> {
  const { privateKey, subjectPKInfoDer } = await generateCaKey(keyType);
  const pkcs8 = privateKey.export({ format: 'der', type: 'pkcs8' });
  return {
    signer: caSignerOf(privateKey, subjectPKInfoDer),
    keep: async (context) => {
      const sealed = await splitAmongCustodians(pkcs8, `key ${rootName}`, context);
      return { name: sealedKeyFileName, content: `${JSON.stringify(sealed, undefined, 2)}\n` };
    },
    wipe: () => pkcs8.fill(0),
  };
}

/** A run that was killed behind it finds the key when it goes on. */
async function keyInModule(
  wanted: NonNullable<StepOf<'make-root'>['slot']>,
  keyType: StepOf<'make-root'>['key'],
  subjectDer: Uint8Array,
  { custody: { slots = [], modules } }: StepContext,
): Promise<RootKey> {
  const { token, keyLabel } = wanted;
  const slot = slots.find((one) => one.token === token && one.keyLabel === keyLabel);
  if (slot === undefined || modules === undefined) {
    throw new CertmillError(
      'INVALID_INPUT',
      `the root's key is made in token ${token} under the label ${keyLabel}: give its --slot FILE`,
    );
  }
  const made = await newKeyInSlot({ keyType, subjectDer, modules }, slot);
  return {
    signer: made.signer,
    keep: () => Promise.resolve({ name: slotFileName, content: slotText(made.slot) }),
    wipe: () => undefined,
  };
}

/** What people compare when a certificate is read aloud. */
export function certificateFacts(certificateDer: Uint8Array): StepFacts {
  const { certificate, keyIdentifier, keyType, subject } = readCaCertificate(certificateDer, 'it');
  return {
    subject,
    serialNumber: certificate.serialNumber.toLowerCase(),
    keyType,
    notBefore: certificate.validFromDate.toISOString(),
    notAfter: certificate.validToDate.toISOString(),
    subjectKeyIdentifier: Buffer.from(keyIdentifier).toString('hex'),
    certificateSha256: hash('sha256', certificateDer, 'hex'),
  };
}
