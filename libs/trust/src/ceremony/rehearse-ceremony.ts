import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import { pemEncode } from '@certmill/der';
import { isErrorCode, secretFileMode } from '../atomic-file.js';
import type { CaCertificate } from '../hierarchy/ca-certificate.js';
import { type CaKeyPair, caSignerOf, generateCaKey } from '../hierarchy/ca-key.js';
import { type CaModules, type CaSlot, readSlot, slotFileName } from '../hierarchy/ca-slot.js';
import { distinguishedNameDer } from '../hierarchy/distinguished-name.js';
import {
  type CaCertificateSpec,
  issueCaCertificate,
  newCaSerialNumber,
  noExpirationMs,
} from '../hierarchy/issue-ca-certificate.js';
import { caDirectoryOf, issuerPathsOf } from '../hierarchy/issuer-paths.js';
import { encryptPrivateKey } from '../keys/encrypted-private-key.js';
import type { IssuerKeyType } from '../keys/key-types.js';
import { approve, type Approver } from './approval.js';
import type { CeremonyFile } from './ceremony-file.js';
import { sha256Of } from './ceremony-record.js';
import type { KeyShare, ShareLock } from './key-share.js';
import { newOperationId } from './operation.js';
import { ceremonyOperation, ceremonyQuorum, participantsIn } from './parse-ceremony.js';
import { keyFingerprint, participantKeyOf } from './participant-keys.js';
import {
  assertInstallation,
  type CeremonyResult,
  type CeremonyRun,
  runCeremony,
} from './run-ceremony.js';
import { readQuorumPolicy } from './quorum-policy.js';
import { parseSealedSecret, type SealedSecret, splitSecret } from './split-secret.js';
import {
  caCertificateIn,
  type Custody,
  readTextOrUndefined,
  sealedKeyFileName,
} from './step-context.js';
import { parseTranscript, verifyTranscript, witnessTranscript } from './transcript.js';

export interface RehearsalOptions extends Pick<
  CeremonyRun,
  'ceremony' | 'dataDirectory' | 'software' | 'machine' | 'now' | 'readInput' | 'tell'
> {
  /** Empty, and the caller's to remove: throw-away keys lie in it. */
  readonly workDirectory: string;
}

/**
 * Plays a ceremony from the approvals to the signatures of its witnesses, by the code that carries it
 * out, with keys and people that are made up: CAs of the data folder get stand-ins with their
 * subject, key type and constraints. Nothing of the data folder is changed, and no secret is asked for.
 * Throws what the ceremony would.
 */
export async function rehearseCeremony(options: RehearsalOptions): Promise<CeremonyResult> {
  const { workDirectory, now } = options;
  await assertApprovable(options);
  const cast = new Map(options.ceremony.participants.map(({ name }) => [name, aPair()]));
  const stage = new RehearsalStage(workDirectory, options.ceremony);
  await stage.standInFor(options.dataDirectory);
  const inputs = new Map<string, Uint8Array>();
  const ceremony = await rehearsedCeremony(options, cast, stage, inputs);
  const operation = ceremonyOperation(ceremony);
  const time = { nowMs: now(), expiresMs: now() + rehearsalMs };
  const approvals = participantsIn(ceremony, 'administrator')
    .slice(0, ceremony.quorum.approvals)
    .map(({ name }) => approve(operation, name, privateKeyIn(cast, name), time));
  const result = await runCeremony({
    ...options,
    ceremony,
    approvals,
    dataDirectory: workDirectory,
    custody: stage.custody,
    isRehearsal: true,
    readInput: async (file) => inputs.get(file) ?? options.readInput(file),
  });
  const text = (await readTextOrUndefined(result.transcriptFile)) ?? '';
  const transcript = parseTranscript(text, result.transcriptFile, { isRehearsal: true });
  const signatures = participantsIn(ceremony, 'witness').map(({ name }) =>
    witnessTranscript(transcript, privateKeyIn(cast, name), now()),
  );
  await verifyTranscript(result.transcriptFile, signatures, { isRehearsal: true });
  return result;
}

/** The ceremony is for this folder, and its administrators are enough people of the folder's quorum. */
async function assertApprovable({ ceremony, dataDirectory }: RehearsalOptions): Promise<void> {
  const policy = await readQuorumPolicy(dataDirectory);
  assertInstallation(ceremony, policy);
  if (policy === undefined) return;
  const idOf = ({ name, publicKey }: Approver): string =>
    `${name} ${keyFingerprint(participantKeyOf(publicKey))}`;
  const administrators = new Set(ceremonyQuorum(ceremony).approvers.map(idOf));
  const known = policy.approvers.filter((approver) => administrators.has(idOf(approver)));
  if (known.length >= policy.threshold) return;
  const names = policy.approvers.map(({ name }) => name).join(', ');
  throw new CertmillError(
    'APPROVAL_REQUIRED',
    `the data folder asks for ${String(policy.threshold)} of ${names}, of whom ` +
      `${String(known.length)} are administrators of the ceremony by the keys that it knows`,
  );
}

const rehearsalMs = 3_600_000;

interface Pair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}
type Cast = ReadonlyMap<string, Pair>;

function aPair(): Pair {
  return generateKeyPairSync('ed25519');
}

function privateKeyIn(cast: Cast, name: string): KeyObject {
  return pairIn(cast, name).privateKey;
}

function pairIn(cast: Cast, name: string): Pair {
  const pair = cast.get(name);
  if (pair === undefined) throw new CertmillError('FAULT_PROCESSING', `${name} is not in the cast`);
  return pair;
}

/** The same ceremony with made-up keys, now, under another id: its approvals are good for nothing else. */
async function rehearsedCeremony(
  { ceremony, readInput, now }: RehearsalOptions,
  cast: Cast,
  stage: RehearsalStage,
  inputs: Map<string, Uint8Array>,
): Promise<CeremonyFile> {
  const instant = (ms: number): string =>
    new Date(Math.floor(ms / 1_000) * 1_000).toISOString().replace('.000Z', 'Z');
  const steps = ceremony.steps.map(async (step) => {
    if (step.do !== 'restore-keys') return step;
    const original = Buffer.from(await readInput(step.bundle.file)).toString('utf8');
    const sealed = parseSealedSecret(original, step.bundle.file);
    const text = JSON.stringify(await stage.standInBundle(sealed));
    inputs.set(step.bundle.file, Buffer.from(text));
    return { ...step, bundle: { ...step.bundle, sha256: sha256Of(text) } };
  });
  const { name: ceremonyName, description, quorum } = ceremony;
  return {
    ...{ name: ceremonyName, description, quorum },
    id: newOperationId(),
    window: { notBefore: instant(now() - rehearsalMs), notAfter: instant(now() + rehearsalMs) },
    participants: ceremony.participants.map(({ name, roles }) => ({
      name,
      roles,
      publicKey: pairIn(cast, name).publicKey.export({ format: 'pem', type: 'spki' }).toString(),
    })),
    steps: await Promise.all(steps),
  };
}

/** Where a rehearsal plays: CAs, passphrases and shares that stand in for the real ones. */
class RehearsalStage {
  private readonly directory: string;
  private readonly passphrase = randomBytes(16).toString('hex');
  /** Every custodian's: what a passphrase is stretched for is not at stake here. */
  private readonly lockPair = generateKeyPairSync('x25519');
  private readonly shares: KeyShare[] = [];
  private readonly slots: readonly Omit<CaSlot, 'keyId'>[];
  /** Keys that stand in for those in modules, by CKA_ID. */
  private readonly moduleKeys = new Map<string, CaKeyPair>();

  constructor(directory: string, { steps }: CeremonyFile) {
    this.directory = directory;
    this.slots = steps.flatMap((step) =>
      step.do === 'make-root' && step.slot !== undefined
        ? [{ ...step.slot, module: 'a rehearsal', pinFile: 'a rehearsal' }]
        : [],
    );
  }

  private get modules(): CaModules {
    return {
      generate: async ({ keyId }, keyType) => {
        this.moduleKeys.set(keyId, await generateCaKey(keyType));
      },
      open: ({ token, keyId }) => {
        const key = this.moduleKeys.get(keyId);
        if (key === undefined) {
          throw new CertmillError('FAULT_PROCESSING', `token ${token} is not in the rehearsal`);
        }
        return Promise.resolve(caSignerOf(key.privateKey, key.subjectPKInfoDer));
      },
    };
  }

  get custody(): Custody {
    const { passphrase, lock, lockPair, shares, modules, slots } = this;
    return {
      folderPassphrase: () => Promise.resolve(passphrase),
      lockOf: () => Promise.resolve(lock),
      secretOf: () => Promise.resolve({ privateKey: lockPair.privateKey }),
      shares,
      modules,
      slots,
    };
  }

  private get lock(): ShareLock {
    const pem = this.lockPair.publicKey.export({ format: 'pem', type: 'spki' });
    return { encryptionKey: pem.toString() };
  }

  async standInFor(dataDirectory: string): Promise<void> {
    for (const name of await caNames(dataDirectory)) {
      const certificate = await caCertificateIn(dataDirectory, name);
      const { directory, keyFile } = issuerPathsOf(dataDirectory, name);
      const sealedFile = join(directory, sealedKeyFileName);
      const sealedText = await readTextOrUndefined(sealedFile);
      const slotText = await readTextOrUndefined(join(directory, slotFileName));
      const files = await this.standIn(name, certificate, {
        ...(sealedText === undefined ? {} : { sealed: parseSealedSecret(sealedText, sealedFile) }),
        ...(slotText === undefined ? {} : { slotText }),
        isWhole: (await readTextOrUndefined(keyFile)) !== undefined,
      });
      const target = issuerPathsOf(this.directory, name).directory;
      await mkdir(target, { recursive: true, mode: 0o700 });
      for (const file of files) {
        await writeFile(join(target, file.name), file.content, { mode: secretFileMode });
      }
    }
  }

  /** A backup that opens in the rehearsal, of CAs with the names of the real one. */
  async standInBundle(original: SealedSecret): Promise<SealedSecret> {
    // Of several CAs the label names the first.
    const names = /^backup ([a-z0-9-]+)/.exec(original.purpose)?.slice(1) ?? [];
    const cas = await Promise.all(
      names.map(async (name) => {
        const files = await this.standIn(name, undefined, { isWhole: true });
        return {
          name,
          files: files.map((file) => ({
            name: file.name,
            content: Buffer.from(file.content).toString('base64'),
          })),
        };
      }),
    );
    const bundle = { type: 'certmill-key-backup', version: 1, cas };
    return this.split(Buffer.from(JSON.stringify(bundle)), original);
  }

  private async standIn(
    name: string,
    original: CaCertificate | undefined,
    key: {
      readonly sealed?: SealedSecret;
      readonly slotText?: string;
      readonly isWhole: boolean;
    },
  ): Promise<readonly { readonly name: string; readonly content: string }[]> {
    const keyType: IssuerKeyType = original?.keyType ?? 'ec-p256';
    const { privateKey, subjectPKInfoDer } = await generateCaKey(keyType);
    const certificateDer = await issueCaCertificate(standInSpec(name, original), subjectPKInfoDer, {
      signer: caSignerOf(privateKey, subjectPKInfoDer),
    });
    const pem = pemEncode('CERTIFICATE', certificateDer);
    const files = [
      { name: 'certificate.pem', content: pem },
      { name: 'chain.pem', content: pem },
    ];
    const pkcs8 = privateKey.export({ format: 'der', type: 'pkcs8' });
    if (key.sealed !== undefined) {
      const sealed = await this.split(pkcs8, key.sealed);
      files.push({ name: sealedKeyFileName, content: JSON.stringify(sealed) });
    }
    if (key.slotText !== undefined) {
      this.moduleKeys.set(readSlot(key.slotText).keyId, { privateKey, subjectPKInfoDer });
      files.push({ name: slotFileName, content: key.slotText });
    }
    if (key.isWhole) {
      files.push({ name: 'key.pem', content: await encryptPrivateKey(pkcs8, this.passphrase) });
    }
    pkcs8.fill(0);
    return files;
  }

  /** As the original was split: among as many, of whom as many are needed. */
  private async split(secret: Uint8Array, original: SealedSecret): Promise<SealedSecret> {
    const { purpose, ceremonyId, threshold, custodians } = original;
    const { sealed, shares } = await splitSecret(secret, {
      ...{ purpose, ceremonyId, threshold },
      custodians: custodians.map(({ name }) => ({ name, lock: this.lock })),
    });
    this.shares.push(...shares);
    return sealed;
  }
}

function standInSpec(name: string, original: CaCertificate | undefined): CaCertificateSpec {
  if (original === undefined) {
    return {
      subjectDer: distinguishedNameDer([{ type: 'commonName', value: name }]),
      serialNumber: newCaSerialNumber(),
      notBeforeMs: 0,
      notAfterMs: noExpirationMs,
    };
  }
  const { subjectDer, notBeforeMs, notAfterMs, pathLenConstraint } = original;
  return {
    ...{ subjectDer, notBeforeMs, notAfterMs },
    serialNumber: newCaSerialNumber(),
    ...(pathLenConstraint === undefined ? {} : { pathLenConstraint }),
  };
}

async function caNames(dataDirectory: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(caDirectoryOf(dataDirectory), { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
      .map(({ name }) => name);
  } catch (cause) {
    if (isErrorCode(cause, 'ENOENT')) return [];
    throw cause;
  }
}
