import { z } from 'zod';
import {
  durationPattern,
  durationSeconds,
  maxCrlShards,
  newCaKeyTypes,
  revocationReasons,
} from '@certmill/domain';
import { rootName } from '../hierarchy/issuer-paths.js';
import { hex } from './field-schemas.js';
import { participantName, publicKeyPem } from './participants.js';

const caName = participantName;
const instant = z
  .string()
  .refine(isInstant, 'expected an instant in UTC to the second, such as 2026-12-01T09:00:00Z');

/** A file that the ceremony takes in: its content is approved with the ceremony. */
const inputFile = z.strictObject({
  file: z
    .string()
    .min(1)
    .max(1_000)
    .refine(isRecordable, 'expected the path of a file')
    .describe('Relative to the ceremony file.'),
  sha256: hex(32),
});

const lifetime = z
  .string()
  .regex(durationPattern, 'expected a whole number and a unit, such as 12h, 90d or 25y')
  .refine(isLifetime, 'expected some time, and less than for ever');

const validity = z
  .strictObject({
    lifetime: lifetime.optional(),
    notAfter: z.union([z.literal('never'), instant]).optional(),
  })
  .refine(
    ({ lifetime, notAfter }) => (lifetime === undefined) !== (notAfter === undefined),
    'expected either lifetime or notAfter',
  );

const subtrees = z
  .array(z.string().min(1).max(1_000))
  .min(1)
  .max(256)
  .describe('Such as dns:example.com, ip:10.0.0.0/8 or dn:O=Example.');
const objectIdentifiers = z
  .array(z.string().min(3).max(1_000))
  .min(1)
  .max(64)
  .describe('Dotted, such as 1.3.6.1.5.5.7.3.2.');
/** What a CA leaves to those below it (RFC 5280 4.2.1.4, 4.2.1.10, 4.2.1.12). */
const constraints = {
  permit: subtrees.optional(),
  exclude: subtrees.optional(),
  policies: objectIdentifiers.optional(),
  purposes: objectIdentifiers.optional(),
};

const makeRoot = z.strictObject({
  do: z.literal('make-root').describe('The root of this data folder, ca/root.'),
  key: z.enum(newCaKeyTypes),
  subject: z.string().min(1).max(1_000).describe('Such as O=Example,CN=Example Device Root.'),
  validity,
  pathLength: z.int().min(1).max(8).optional(),
  ...constraints,
  statusUrl: z
    .string()
    .max(1_000)
    .optional()
    .describe('http address that stands in what the root signs: where its CRL will be (ADR 0020).'),
  crlShards: z.int().min(0).max(maxCrlShards).optional().describe('Default: 0, one CRL.'),
  slot: z
    .strictObject({ token: z.string().min(1).max(32), keyLabel: z.string().min(1).max(255) })
    .optional()
    .describe('A PKCS#11 token that makes the key and keeps it; absent: the key is split.'),
  revokedBefore: inputFile
    .optional()
    .describe('Of the root before, by certmill ca revoked: keys that this one signs nothing over.'),
  profile: z
    .enum(['root', 'matter-paa'])
    .describe('matter-paa: a Product Attestation Authority (Matter Core Specification 6.2.2).'),
});

const renewRoot = z.strictObject({
  do: z
    .literal('renew-root')
    .describe('A new certificate of the root for the same key: chains through it get it.'),
  validity,
});

const issueCa = z.strictObject({
  do: z
    .literal('issue-ca')
    .describe('A new CA, a renewal or a new key, by a PKCS#10 request that is carried here.'),
  under: caName,
  request: inputFile,
  lifetime: lifetime.optional().describe('Default: as long as the CA above.'),
  pathLength: z
    .int()
    .min(0)
    .max(8)
    .optional()
    .describe('Default: 0. What is asked for decides nothing.'),
  ...constraints,
  profile: z
    .enum(['matter-pai'])
    .optional()
    .describe('A Product Attestation Intermediate: what is asked for has to keep it.'),
});
const crossCertify = z.strictObject({
  do: z
    .literal('cross-certify')
    .describe('One root by another, or the two keys of one root by each other.'),
  under: caName,
  certificate: inputFile.describe('Of the other CA, PEM.'),
  lifetime: lifetime.optional().describe('Default: as long as both CAs.'),
  pathLength: z.int().min(0).max(8).optional(),
});
const revokeCa = z.strictObject({
  do: z.literal('revoke-ca').describe('Recorded; the next make-crl says so.'),
  under: caName,
  certificate: inputFile.describe('The certificate that is revoked, PEM.'),
  reason: z
    .enum(revocationReasons.filter((reason) => reason !== 'certificateHold'))
    .describe('For good: nothing releases a CA.'),
});
const makeCrl = z.strictObject({
  do: z.literal('make-crl').describe('Over the CA certificates that the CA has signed.'),
  ca: caName,
  nextUpdate: lifetime.describe('Longer than until the next ceremony that makes one.'),
});

const splitKey = z.strictObject({
  do: z.literal('split-key'),
  ca: caName.describe('A CA whose key lies encrypted by the passphrase of the data folder.'),
});
const recoverKey = z.strictObject({
  do: z.literal('recover-key'),
  ca: caName.describe('Its key is put back whole, encrypted by the passphrase of the data folder.'),
});
const backupKeys = z.strictObject({
  do: z.literal('backup-keys'),
  cas: z.array(caName).min(1).max(10_000),
});
const restoreKeys = z.strictObject({
  do: z.literal('restore-keys'),
  bundle: inputFile,
});
const destroyKey = z.strictObject({
  do: z.literal('destroy-key'),
  ca: caName,
  reason: z.string().min(1).max(1_000).describe('Stands in the transcript.'),
});
const adoptQuorum = z.strictObject({
  do: z
    .literal('adopt-quorum')
    .describe('From now on issuers, profiles, mass revocations and root keys need this quorum.'),
});

const step = z.discriminatedUnion('do', [
  makeRoot,
  renewRoot,
  issueCa,
  crossCertify,
  revokeCa,
  makeCrl,
  splitKey,
  recoverKey,
  backupKeys,
  restoreKeys,
  destroyKey,
  adoptQuorum,
]);

export const participantRoles = ['administrator', 'custodian', 'witness', 'auditor'] as const;

const participant = z.strictObject({
  name: participantName,
  roles: z.array(z.enum(participantRoles)).min(1).max(4),
  publicKey: publicKeyPem.describe(
    'Ed25519 or P-256: checks approvals and signatures of witnesses.',
  ),
  encryptionKey: z
    .string()
    .max(2_000)
    .optional()
    .describe("X25519 or P-256: a custodian's shares are encrypted to it, else to a passphrase."),
});

export const ceremonyFileSchema = z.strictObject({
  name: caName.describe('Names the folder of its outputs.'),
  id: hex(16).describe('Random, made by `certmill ceremony new`: no two ceremonies have one id.'),
  description: z.string().min(1).max(2_000),
  installation: hex(16)
    .optional()
    .describe('That of ca/quorum.json in the data folder: absent where there is none.'),
  window: z
    .strictObject({ notBefore: instant, notAfter: instant })
    .describe('When it may be carried out.'),
  participants: z.array(participant).min(1).max(255),
  quorum: z.strictObject({
    approvals: z.int().min(1).max(255).describe('Administrators who have to approve.'),
    shares: z.int().min(2).max(255).optional().describe('Custodians who open a split key.'),
    witnesses: z.int().min(1).max(255).describe('Witnesses who have to sign the transcript.'),
  }),
  steps: z.array(step).min(1).max(200),
});

/** A ceremony as its file has it. What is approved is the canonical JSON of this. */
export type CeremonyFile = z.infer<typeof ceremonyFileSchema>;
export type CeremonyStep = CeremonyFile['steps'][number];
export type Participant = CeremonyFile['participants'][number];
export type StepOf<K extends CeremonyStep['do']> = Extract<CeremonyStep, { readonly do: K }>;

export type InputFile = z.infer<typeof inputFile>;

/** The files that a step takes in. */
export function inputsOf(step: CeremonyStep): readonly InputFile[] {
  if (step.do === 'issue-ca') return [step.request];
  if (step.do === 'cross-certify' || step.do === 'revoke-ca') return [step.certificate];
  if (step.do === 'make-root') return step.revokedBefore === undefined ? [] : [step.revokedBefore];
  return step.do === 'restore-keys' ? [step.bundle] : [];
}

/** The CAs of the data folder that a step works with. */
export function casOf(step: CeremonyStep): readonly string[] {
  switch (step.do) {
    case 'make-root':
    case 'renew-root':
      return [rootName];
    case 'issue-ca':
    case 'cross-certify':
    case 'revoke-ca':
      return [step.under];
    case 'make-crl':
    case 'split-key':
    case 'recover-key':
    case 'destroy-key':
      return [step.ca];
    case 'backup-keys':
      return step.cas;
    case 'restore-keys':
    case 'adopt-quorum':
      return [];
  }
}

/** JSON Schema (draft 2020-12), for editors and docs/ceremony.schema.json. */
export function ceremonyFileJsonSchema(): object {
  return {
    title: 'Certmill key ceremony',
    ...z.toJSONSchema(ceremonyFileSchema, { io: 'input' }),
  };
}

/** A name that stands in the transcript with the file: `inputs/<name>`. */
function isRecordable(file: string): boolean {
  return !/^\.{0,2}$|[\\\0]/.test(file.split('/').at(-1) ?? '');
}

function isLifetime(text: string): boolean {
  const seconds = durationSeconds(text);
  return Number.isSafeInteger(seconds) && seconds > 0;
}

/** Date accepts 2031-02-30 and moves it on: an instant is one that reads back as it was written. */
function isInstant(text: string): boolean {
  const ms = Date.parse(text);
  return !Number.isNaN(ms) && new Date(ms).toISOString().replace('.000Z', 'Z') === text;
}
