import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { isName, leastRequestsPerChunk, maxRequestsPerChunk } from '@certmill/domain';
import {
  crlConfigSchema,
  httpConfigSchema,
  ocspPolicySchema,
  statusHttpSchema,
  tracingSchema,
} from '@certmill/platform';

const path = z.string().min(1);
const tenant = z.string().refine(isName, 'must be the name of a tenant');
const hostAndPort = z.string().regex(/^[^\s/@]+:\d{1,5}$/, 'must be host:port');
const lane = z.enum(['bulk', 'interactive']);

/** Of a client; both files, or neither. */
const clientTls = z.strictObject({
  /** CA of the server's certificate; the system's where absent. */
  caFile: path.optional(),
  certFile: path.optional(),
  keyFile: path.optional(),
});

const kafka = z.strictObject({
  brokers: z.array(hostAndPort).min(1),
  tls: clientTls.optional(),
  sasl: z
    .strictObject({
      mechanism: z.enum(['plain', 'scram-sha-256', 'scram-sha-512']),
      username: z.string().min(1),
      passwordFile: path,
    })
    .optional(),
  /** Of each topic of the lane: the most processes of one role that share its work. */
  partitions: z
    .strictObject({
      bulk: z.int().min(1).max(4096).default(24),
      interactive: z.int().min(1).max(4096).default(6),
    })
    .prefault({}),
  replicationFactor: z.int().min(1).max(7).default(3),
  minInsyncReplicas: z.int().min(1).max(7).default(2),
  /** A process that is silent for longer is out of its group; at least the brokers' minimum. */
  sessionTimeoutMs: z.int().min(1_000).default(6_000),
  /** How long notices of publication are kept: they are hints. */
  noticeRetentionMs: z.int().min(60_000).default(3_600_000),
});

/** Some would be passwords in this file, others would switch the checking of certificates off. */
const riskyOptionOfUri = /[?&](?:tls\w+|ssl\w+|authMechanismProperties|proxy\w+)=/i;

const mongo = z.strictObject({
  /** Without credentials: they come from files. */
  uri: z
    .string()
    .regex(/^mongodb(?:\+srv)?:\/\//, 'must begin with mongodb:// or mongodb+srv://')
    .refine((uri) => !uri.includes('@'), 'must not hold credentials: use username and passwordFile')
    .refine(
      (uri) => !riskyOptionOfUri.test(uri),
      'must not hold options of TLS, a proxy or a mechanism: use tls, username and passwordFile',
    ),
  database: z.string().min(1).max(38).default('certmill'),
  username: z.string().min(1).optional(),
  passwordFile: path.optional(),
  tls: clientTls.optional(),
});

const redis = z.strictObject({
  host: z.string().min(1).default('127.0.0.1'),
  port: z.int().min(1).max(65_535).default(6379),
  username: z.string().min(1).optional(),
  passwordFile: path.optional(),
  tls: clientTls.optional(),
});

/** One place that can use an issuer's key. */
const slot = z.union([
  z.strictObject({
    name: z.string().min(1).max(63),
    /** Encrypted PKCS#8. */
    keyFile: path,
    passphraseFile: path,
  }),
  z
    .strictObject({
      name: z.string().min(1).max(63),
      /** The PKCS#11 library. */
      module: path,
      token: z.string().min(1),
      keyLabel: z.string().min(1).optional(),
      /** CKA_ID, hex. */
      keyId: z
        .string()
        .regex(/^(?:[0-9a-f]{2})+$/)
        .optional(),
      pinFile: path,
    })
    .refine(
      ({ keyLabel, keyId }) => keyLabel !== undefined || keyId !== undefined,
      'needs keyLabel or keyId',
    ),
]);

const issuer = z.strictObject({
  /** Names, or `all`; an empty list: none. */
  tenants: z.union([z.literal('all'), z.array(tenant)]),
  /** Where sign finds the key; the key file of the trust folder where absent. */
  slots: z.array(slot).min(1).optional(),
  /** Profiles, by name, that sign uses the key for; every profile of its configuration where absent. */
  profiles: z.array(z.string().min(1)).optional(),
});

/**
 * The configuration of the services of a fleet: one file for all, or one for each with what it needs.
 * Unknown keys are refused, secrets are paths to files, every field that has a sensible default has it.
 */
export const fleetSchema = z
  .strictObject({
    kafka,
    mongo,
    /** Timed jobs: publish needs it, sign to make CRLs, and ingest where OCSP responses are signed ahead. */
    redis: redis.optional(),
    /** Keys of the hops, made by `certmill fleet keys`; each service needs those of its own hops. */
    hopKeys: z
      .strictObject({
        received: path.optional(),
        validated: path.optional(),
        issued: path.optional(),
        /** Of ingest, who records status changes, and sign, who makes CRLs and responses of them. */
        status: path.optional(),
      })
      .prefault({}),
    /** Folder with `ca/` and `serial-keys.json`, as `certmill ca init` makes it; for all but sign without `key.pem`. */
    trust: path.optional(),
    /**
     * Quorum policy that ingest asks approvals by; absent: `ca/quorum.json` of the trust folder, where that has
     * one.
     */
    quorumFile: path.optional(),
    /** The issuers of the trust folder, all of them. */
    issuers: z.record(z.string().min(1), issuer).optional(),
    /** Passphrase of key files in the trust folder. */
    passphraseFile: path.optional(),
    /** Profile files, or folders of them, that sign has beside the built-in ones. */
    profiles: z.array(path).default([]),
    /** Key that signs manifests (Ed25519, PKCS#8 PEM); it certifies nothing. */
    manifestKeyFile: path.optional(),
    /** Lanes that this process works for; a process of its own for interactive keeps it fast. */
    lanes: z.array(lane).min(1).default(['bulk', 'interactive']),
    workers: z
      .strictObject({
        /** Threads of validate that examine bulk requests; the interactive lane has one of its own. */
        validate: z.int().min(1).max(256).default(availableParallelism()),
        /** Bulk threads (HSM sessions) of each slot; the interactive lane has one of its own. */
        sign: z.int().min(1).max(256).default(1),
      })
      .prefault({}),
    /** How long CRLs are good for. */
    crls: crlConfigSchema.prefault({}),
    /** A slot that has a chunk for longer has failed, and hangs where its thread does not end. */
    signTimeoutMs: z.int().min(1_000).max(600_000).default(60_000),
    /** What an order's chunks are cut to at most, where its certificates are small enough; ingest pins it. */
    maxRequestsPerChunk: z
      .int()
      .min(leastRequestsPerChunk)
      .max(maxRequestsPerChunk)
      .default(maxRequestsPerChunk),
    /** Chunks of each lane in hand at once: bounds memory. */
    chunksInHand: z
      .strictObject({
        bulk: z.int().min(1).max(1024).default(16),
        interactive: z.int().min(1).max(1024).default(64),
      })
      .prefault({}),
    /**
     * Bulk requests of one tenant that uploads to this ingest have on their way at once; more wait with
     * their sockets. Small keeps tenants apart, large keeps the workers busy.
     */
    tenantWindow: z.int().min(256).default(16_384),
    /** Devices on one allow-list: bounds the memory of an import, up to 27 octets each. */
    maxAllowListDevices: z.int().min(1).default(20_000_000),
    /**
     * Memory for the indexes of allow-lists in use, in MiB: 14 a million devices. The lists of batches that
     * are uploaded at the same time should fit, or they are read from disk by turns.
     */
    allowListIndexMebibytes: z.int().min(1).max(65_536).default(256),
    /** SHA-256 SPKI hashes, hex, one per line, of keys that are refused. */
    blocklistFile: path.optional(),
    /**
     * Folder of this sign alone, not in the store's reach, where it keeps what it has seen of the log of
     * status changes; absent: for as long as the process lives.
     */
    statusMarks: path.optional(),
    /** For what can be read from the store again; a folder of the system's for temporary files where absent. */
    cacheDirectory: path.optional(),
    /** The HTTP face of ingest. */
    http: httpConfigSchema.prefault({}),
    /** The face of status, in plain HTTP. */
    status: statusHttpSchema.prefault({}),
    /** How OCSP requests are answered: for status, and what is signed ahead, the same for ingest, publish and sign. */
    ocsp: ocspPolicySchema
      .extend({
        /**
         * Folder of responders' keys and certificates. Sign makes and renews them in it; a status that
         * has it too signs while its clients wait, one without it holds no key at all.
         */
        responders: path.optional(),
        /** Passphrase of the keys in it. */
        responderPassphraseFile: path.optional(),
      })
      .prefault({})
      .refine(
        ({ responders, responderPassphraseFile }) =>
          (responders === undefined) === (responderPassphraseFile === undefined),
        'responders and responderPassphraseFile go together',
      ),
    /** Probes and metrics of every service, on a port of their own. */
    operations: z
      .strictObject({
        host: z.string().min(1).default('127.0.0.1'),
        port: z.int().min(0).max(65_535).default(8461),
      })
      .prefault({}),
    /** None are made where absent. */
    tracing: tracingSchema.optional(),
    logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
    /** How long a stop waits for what is in hand. */
    stopTimeoutMs: z.int().min(0).default(15_000),
  })
  .refine(
    ({ kafka: { replicationFactor, minInsyncReplicas } }) => minInsyncReplicas <= replicationFactor,
    {
      path: ['kafka', 'minInsyncReplicas'],
      message: 'must not be above replicationFactor: nothing could ever be written',
    },
  );

export type FleetConfig = z.infer<typeof fleetSchema>;
export type SlotConfig = z.infer<typeof slot>;
export type ClientTlsConfig = z.infer<typeof clientTls>;
