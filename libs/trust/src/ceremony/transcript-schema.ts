import { z } from 'zod';
import { approvalSchema } from './approval.js';
import { ceremonyFileSchema } from './ceremony-file.js';
import { hex } from './field-schemas.js';

/** What a step tells of itself is flat; deeper than this nothing is read. */
const maxFactDepth = 6;

const instant = z.iso.datetime();
const octets = z.int().min(0);

/** Relative, and never out of its folder. */
const path = z
  .string()
  .max(1_000)
  .refine(
    (text) => text.split('/').every((part) => !/^\.{0,2}$|[\\\0]/.test(part)),
    'expected a path inside its folder',
  );

const fileRecord = z.strictObject({
  path,
  sha256: hex(32),
  bytes: octets,
  isHandedOut: z.literal(true).optional(),
});
const inFolder = (folder: 'inputs' | 'outputs'): z.ZodType =>
  fileRecord.refine((file) => file.path.split('/').length === 2 && file.path.startsWith(folder), {
    path: ['path'],
    message: `expected a file in ${folder}/`,
  });

const effect = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('install'), path, files: z.array(fileRecord) }),
  z.strictObject({
    kind: z.literal('put'),
    path,
    sha256: hex(32),
    replaces: hex(32).optional(),
  }),
  z.strictObject({ kind: z.literal('destroy'), path, sha256: hex(32), bytes: octets }),
]);

const head = { previous: hex(32), at: instant } as const;

/** An entry, as it lies in the folder of its step and in the transcript. */
export const entrySchema = z.discriminatedUnion('kind', [
  z.strictObject({
    ...head,
    kind: z.literal('begin'),
    runId: hex(16),
    isRehearsal: z.boolean(),
    ceremony: ceremonyFileSchema,
    ceremonySha256: hex(32),
    approvals: z.array(approvalSchema).max(1_000),
    software: z.strictObject({
      version: z.string().max(100),
      commit: z.string().max(100).optional(),
      codeSha256: hex(32),
      packages: z
        .array(
          z.strictObject({
            name: z.string().max(300),
            version: z.string().max(300),
            sha256: hex(32),
          }),
        )
        .max(10_000),
      nodeSha256: hex(32),
    }),
    machine: z.strictObject({
      platform: z.string().max(100),
      architecture: z.string().max(100),
      node: z.string().max(100),
      openssl: z.string().max(100),
      networkInterfaces: octets,
    }),
  }),
  z.strictObject({
    ...head,
    kind: z.literal('step'),
    step: z.int().min(1),
    do: z.string().max(63),
    startedAt: instant,
    facts: z.record(z.string(), facts(maxFactDepth)),
    inputs: z.array(inFolder('inputs')),
    outputs: z.array(inFolder('outputs')),
    effects: z.array(effect),
  }),
  z.strictObject({
    ...head,
    kind: z.literal('effects'),
    step: z.int().min(1),
    done: z.array(z.string()),
  }),
  z.strictObject({ ...head, kind: z.literal('end') }),
]);

/** The form of `transcript.json`, of whoever it comes from. */
export const transcriptSchema = z.strictObject({
  type: z.literal('certmill-ceremony-transcript'),
  version: z.literal(1),
  /** Hash of the last entry. */
  head: hex(32),
  entries: z.array(entrySchema),
});

function facts(depth: number): z.ZodType {
  const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);
  if (depth === 0) return scalar;
  const inner = facts(depth - 1);
  return z.union([scalar, z.array(inner), z.record(z.string(), inner)]);
}
