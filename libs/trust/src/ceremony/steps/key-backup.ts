import { createPublicKey, randomBytes, verify } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { CertmillError } from '@certmill/domain';
import {
  type CaCertificate,
  certificatesInPem,
  readCaCertificate,
} from '../../hierarchy/ca-certificate.js';
import { descriptionFileName, readDescription } from '../../hierarchy/ca-description.js';
import { caSignerOf, hashOf } from '../../hierarchy/ca-key.js';
import { issuerPathsOf } from '../../hierarchy/issuer-paths.js';
import { assertOwnNames, type FormerCa } from '../../hierarchy/own-name.js';
import { assertServedNameFree } from '../../hierarchy/served-name.js';
import { readRevokedCas, revokedCasFileName } from '../../hierarchy/revoked-cas.js';
import { decryptPrivateKey } from '../../keys/encrypted-private-key.js';
import { filesBelow, isFolder } from '../ceremony-folder.js';
import { base64Text } from '../field-schemas.js';
import type { StepOf } from '../ceremony-file.js';
import { participantName } from '../participants.js';
import { parseSealedSecret } from '../split-secret.js';
import { bulkCharacters, parseStatement } from '../statement-file.js';
import {
  assertKeyOf,
  openSealed,
  sealedKeyFileName,
  splitAmongCustodians,
  type StepContext,
  type StepFacts,
} from '../step-context.js';
import { keyFacts, privateKeyOf } from './custody.js';

const bundleSchema = z.strictObject({
  type: z.literal('certmill-key-backup'),
  version: z.literal(1),
  cas: z.array(
    z.strictObject({
      name: participantName,
      files: z.array(
        z.strictObject({
          // Such as key.pem or issued/4a01.pem; never out of the folder.
          name: z.string().regex(/^(?:[a-z0-9][a-z0-9.-]{0,62}\/){0,2}[a-z0-9][a-z0-9.-]{0,62}$/),
          content: base64Text,
        }),
      ),
    }),
  ),
});
type Bundle = z.infer<typeof bundleSchema>;

interface DecodedFile {
  readonly name: string;
  readonly content: Buffer;
}

/** The folders of CAs in one sealed file, whose key is split among the custodians. */
export async function backUpKeys(
  { cas }: StepOf<'backup-keys'>,
  context: StepContext,
): Promise<StepFacts> {
  const bundle: Bundle = { type: 'certmill-key-backup', version: 1, cas: [] };
  for (const name of cas) {
    const { directory } = issuerPathsOf(context.dataDirectory, name);
    if (!(await isFolder(directory))) {
      throw new CertmillError('NOT_FOUND', `there is no CA '${name}'`);
    }
    const names = (await filesBelow(directory)).filter((file) => !isLeftover(file));
    const files = names.map(async (file) => ({
      name: file,
      content: (await readFile(join(directory, file))).toString('base64'),
    }));
    bundle.cas.push({ name, files: await Promise.all(files) });
  }
  const text = JSON.stringify(bundle);
  parseBundle(text, 'this backup');
  const plain = Buffer.from(text);
  try {
    const sealed = await splitAmongCustodians(plain, backupLabel(cas), context);
    await context.stage.output('backup.sealed.json', `${JSON.stringify(sealed, undefined, 2)}\n`);
  } finally {
    plain.fill(0);
  }
  return { cas };
}

/** What a write that was killed left: `.ca.crl.0a1b.tmp`. */
function isLeftover(file: string): boolean {
  return file.split('/').some((part) => part.startsWith('.'));
}

/** Names the shares: short, however many CAs there are. */
function backupLabel([first = '', ...others]: readonly string[]): string {
  return others.length === 0
    ? `backup ${first}`
    : `backup ${first} and ${String(others.length)} more`;
}

function parseBundle(text: string, fileName: string): Bundle {
  return parseStatement(text, fileName, 'backup of keys', bundleSchema, bulkCharacters);
}

/**
 * CAs out of a backup. Each key is proved before its folder appears: it is that of the certificate, and
 * signs something that verifies. CONFLICT as `assertOwnNames` and `assertServedNameFree`.
 */
export async function restoreKeys(
  step: StepOf<'restore-keys'>,
  context: StepContext,
): Promise<StepFacts> {
  const text = Buffer.from(await context.input(step.bundle)).toString('utf8');
  const plain = await openSealed(parseSealedSecret(text, step.bundle.file), context);
  try {
    const bundle = parseBundle(Buffer.from(plain).toString('utf8'), step.bundle.file);
    const cas = bundle.cas.map(({ name, files }) => ({
      name,
      decoded: files.map((file) => ({
        name: file.name,
        content: Buffer.from(file.content, 'base64'),
      })),
    }));
    const former = cas.map(({ name, decoded }) => formerCaOf(name, decoded));
    assertOwnNames(context.dataDirectory, former);
    for (const ca of former) assertServedNameFree(context.dataDirectory, ca.name, ca);
    const proofs = [];
    for (const { name, decoded } of cas) {
      const proof = await proveKey(name, decoded, context);
      proofs.push({ ca: name, ...proof, revocations: revocationsIn(decoded) });
      await context.stage.install(`ca/${name}`, decoded);
    }
    return { cas: proofs };
  } finally {
    plain.fill(0);
  }
}

/** How many CAs the restored one has revoked: those since the backup are to be recorded again. */
function revocationsIn(files: readonly DecodedFile[]): number {
  const file = files.find(({ name }) => name === revokedCasFileName);
  return file === undefined ? 0 : readRevokedCas(file.content.toString('utf8')).length;
}

function formerCaOf(ca: string, files: readonly DecodedFile[]): FormerCa {
  const { subjectDer, spkiDer } = certificateIn(ca, files);
  const text = textIn(files, descriptionFileName);
  const rekeys = text === undefined ? undefined : readDescription(text).rekeys;
  return { name: ca, subjectDer, spkiDer, ...(rekeys === undefined ? {} : { rekeys }) };
}

function certificateIn(ca: string, files: readonly DecodedFile[]): CaCertificate {
  const [der] = certificatesInPem(textIn(files, 'certificate.pem') ?? '');
  if (der !== undefined) return readCaCertificate(der, `the certificate of ${ca}`);
  throw new CertmillError('INVALID_INPUT', `the backup of '${ca}' has no certificate`);
}

function textIn(files: readonly DecodedFile[], wanted: string): string | undefined {
  return files.find(({ name }) => name === wanted)?.content.toString('utf8');
}

async function proveKey(
  ca: string,
  files: readonly DecodedFile[],
  context: StepContext,
): Promise<StepFacts> {
  const textOf = (wanted: string): string | undefined => textIn(files, wanted);
  const certificate = certificateIn(ca, files);
  const pkcs8 = await keyIn(ca, textOf, context);
  if (pkcs8 === undefined) return { proof: 'it has no key in files', ...keyFacts(certificate) };
  try {
    assertKeyOf(certificate, pkcs8, ca);
    const signer = caSignerOf(privateKeyOf(pkcs8), certificate.spkiDer);
    const challenge = randomBytes(32);
    const signature = signer.sign(challenge);
    const publicKey = createPublicKey({
      key: Buffer.from(certificate.spkiDer),
      format: 'der',
      type: 'spki',
    });
    if (!verify(hashOf(signer.signatureAlgorithm), challenge, publicKey, signature)) {
      throw new CertmillError('FAULT_KEY_MISMATCH', `the key of '${ca}' makes bad signatures`);
    }
    return {
      proof: 'its key signed a challenge that verifies with its certificate',
      challenge: challenge.toString('hex'),
      signature: Buffer.from(signature).toString('base64'),
      ...keyFacts(certificate),
    };
  } finally {
    pkcs8.fill(0);
  }
}

async function keyIn(
  ca: string,
  textOf: (name: string) => string | undefined,
  context: StepContext,
): Promise<Uint8Array | undefined> {
  const sealedText = textOf(sealedKeyFileName);
  if (sealedText !== undefined) {
    return openSealed(parseSealedSecret(sealedText, `the sealed key of ${ca}`), context);
  }
  const pem = textOf('key.pem');
  if (pem === undefined) return undefined;
  const passphrase = await context.custody.folderPassphrase();
  return decryptPrivateKey(pem, passphrase, `the key of ${ca}`).export({
    format: 'der',
    type: 'pkcs8',
  });
}
