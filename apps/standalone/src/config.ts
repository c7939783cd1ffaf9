import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { isName } from '@certmill/domain';
import { crlConfigSchema, ocspPolicySchema, statusHttpSchema } from '@certmill/platform';

const path = z.string().min(1);
const tenant = z.string().refine(isName, 'must be the name of a tenant');

/**
 * The configuration of the standalone server. Every field has a default, unknown keys are refused,
 * secrets are paths to files. `certmill serve --check-config` says what is wrong with a file.
 */
export const standaloneSchema = z.strictObject({
  /** Data folder; `--data` wins over it. */
  data: path.default('certmill-data'),
  /** Worker threads. */
  workers: z
    .strictObject({
      /** Proof of possession and checks; one more thread serves the interactive lane. */
      validate: z.int().min(1).max(256).default(availableParallelism()),
      /** Per slot. */
      sign: z
        .int()
        .min(1)
        .max(256)
        .default(Math.max(1, Math.ceil(availableParallelism() / 2))),
    })
    .prefault({}),
  /** A slot that has a chunk for longer has failed, and hangs where its thread does not end. */
  signTimeoutMs: z.int().min(1_000).max(600_000).default(60_000),
  /** Chunks of the bulk lane between log and store at once: bounds memory. */
  bulkChunksInHand: z.int().min(1).max(1024).default(16),
  /** The event log makes uploads wait above this many unprocessed bytes. */
  maxBacklogBytes: z
    .int()
    .min(1 << 20)
    .default(8 * 1024 ** 3),
  /** Devices on one allow-list: bounds the memory of an import, up to 27 octets each. */
  maxAllowListDevices: z.int().min(1).default(20_000_000),
  /** How long CRLs are good for. */
  crls: crlConfigSchema.prefault({}),
  /** SHA-256 SPKI hashes, hex, one per line, of keys that are refused. */
  blocklistFile: path.optional(),
  /**
   * File with the passphrase of the issuer keys; default: CERTMILL_CA_PASSPHRASE_FILE,
   * CERTMILL_CA_PASSPHRASE, the development file.
   */
  passphraseFile: path.optional(),
  /**
   * Which tenants each issuer serves. Absent: every issuer serves every tenant. Present: it names every
   * issuer of the data folder (else the start is refused), and an issuer serves its tenants only.
   */
  issuers: z
    .record(
      z.string().min(1),
      z.strictObject({
        /** Names, or `all`; an empty list: none. */
        tenants: z.union([z.literal('all'), z.array(tenant)]),
      }),
    )
    .optional(),
  /** A port of its own for the status of certificates, in plain HTTP; that of the API serves it too. */
  status: statusHttpSchema.optional(),
  /** How OCSP requests are answered. */
  ocsp: ocspPolicySchema.prefault({}),
});

export type StandaloneConfig = z.infer<typeof standaloneSchema>;
