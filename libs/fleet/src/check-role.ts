import { accessSync, constants } from 'node:fs';
import { tmpdir } from 'node:os';
import { CertmillError, isCertmillError } from '@certmill/domain';
import { readBlocklist } from '@certmill/pipeline/compute';
import {
  assertIssuersOfPolicy,
  assertListenable,
  placeInConfig,
  presignsAny,
  tlsOptionsOf,
} from '@certmill/platform';
import { checkPinFile } from '@certmill/signing';
import type { FleetConfig, SlotConfig } from './config/fleet-config.js';
import { readNamedFile, readSecret } from './config/secret-files.js';
import { redisConnection } from './connections/open-jobs.js';
import { kafkaConnection } from './connections/open-log.js';
import { mongoConnection } from './connections/open-store.js';
import { hopsOf, roleHops } from './keys/hops-of.js';
import { openManifestKey } from './keys/manifest-key.js';
import { statusSealsFor } from './keys/status-seals.js';
import { signableProfiles } from './keys/profile-folder.js';
import { signingIssuers } from './keys/signing-issuers.js';
import { openTrust, type Trust } from './keys/trust-folder.js';
import { readFleetQuorum } from './quorum.js';
import type { Role } from './service-context.js';

/** A field of the configuration, and what throws where it is wrong. */
interface Check {
  readonly path: readonly (string | number)[];
  readonly run: () => unknown;
}

/**
 * Looks at everything that a role needs and that no server is asked for: sections that it cannot do
 * without, files that they name, keys and certificates in them. CONFIG_INVALID, a line for each field
 * that is wrong, with its place where the configuration's file is told; no secret is in it.
 */
export async function checkRole(
  role: Role,
  config: FleetConfig,
  configFile?: string,
): Promise<void> {
  const reasons = new Set<string>();
  for (const { path, run } of checksOf(role, config)) {
    try {
      await run();
    } catch (error) {
      if (!isCertmillError(error)) throw error;
      for (const reason of error.message.split('\n')) {
        const named = fieldNamedIn(reason, config) ?? path;
        reasons.add(
          configFile === undefined ? reason : `${placeInConfig(configFile, named)}: ${reason}`,
        );
      }
    }
  }
  if (reasons.size > 0) throw new CertmillError('CONFIG_INVALID', [...reasons].join('\n'));
}

/** Messages begin with the field that they are about, which is often inside the one that was checked. */
function fieldNamedIn(reason: string, config: FleetConfig): readonly string[] | undefined {
  const [section = '', ...rest] = /^[\w.-]+/.exec(reason)?.[0].split('.') ?? [];
  return section in config ? [section, ...rest] : undefined;
}

function checksOf(role: Role, config: FleetConfig): readonly Check[] {
  const ofRole = {
    ingest: ingestChecks,
    validate: validateChecks,
    sign: signChecks,
    publish,
    status: statusChecks,
  };
  return [
    { path: ['kafka'], run: () => kafkaConnection(config, 'certmill-check') },
    { path: ['mongo'], run: () => mongoConnection(config, 'certmill-check') },
    ...roleHops[role].map((hop) => ({
      path: ['hopKeys', hop],
      run: () => hopsOf([hop], config, { nowMs: () => 0 }),
    })),
    ...(role === 'ingest' || role === 'sign'
      ? [{ path: ['hopKeys', 'status'], run: () => statusSealsFor(config) }]
      : []),
    {
      path: ['cacheDirectory'],
      run: () => assertWritable('cacheDirectory', config.cacheDirectory ?? tmpdir()),
    },
    ...ofRole[role](config),
  ];
}

function ingestChecks(config: FleetConfig): readonly Check[] {
  return [
    { path: ['trust'], run: () => openTrustOf(config) },
    { path: ['quorumFile'], run: () => readFleetQuorum(config) },
    { path: ['manifestKeyFile'], run: () => openManifestKey(config.manifestKeyFile) },
    { path: ['http', 'host'], run: () => assertListenable(config.http) },
    { path: ['http', 'tls'], run: () => tlsOptionsOf(config.http) },
    ...(presignsAny(config.ocsp) ? [{ path: ['redis'], run: () => redisConnection(config) }] : []),
  ];
}

function validateChecks({ blocklistFile }: FleetConfig): readonly Check[] {
  if (blocklistFile === undefined) return [];
  return [{ path: ['blocklistFile'], run: () => readBlocklist(blocklistFile) }];
}

function signChecks(config: FleetConfig): readonly Check[] {
  const { issuers = {}, statusMarks } = config;
  return [
    ...(statusMarks === undefined
      ? []
      : [{ path: ['statusMarks'], run: () => assertWritable('statusMarks', statusMarks) }]),
    {
      path: ['trust'],
      run: async () => {
        const trust = await openTrustOf(config);
        const serving = signingIssuers(trust.catalogue, config, undefined).all;
        const { passphraseFile } = config;
        const usesFolder = serving.some(({ name }) => issuers[name]?.slots === undefined);
        if (usesFolder && passphraseFile !== undefined)
          readSecret('passphraseFile', passphraseFile);
      },
    },
    { path: ['profiles'], run: () => signableProfiles(config.profiles) },
    ...responderChecks(config),
    ...presignChecks(config),
    ...Object.entries(issuers).flatMap(([name, { slots = [], profiles = [] }]) => [
      ...profiles.map((profile, i) => ({
        path: ['issuers', name, 'profiles', i],
        run: () => assertSignable(`issuers.${name}.profiles.${String(i)}`, profile, config),
      })),
      ...slots.map((slot, i) => ({
        path: ['issuers', name, 'slots', i],
        run: () => checkSlot(`issuers.${name}.slots.${String(i)}`, slot),
      })),
    ]),
  ];
}

function statusChecks(config: FleetConfig): readonly Check[] {
  return [{ path: ['trust'], run: () => openTrustOf(config) }, ...responderChecks(config)];
}

/** With the issuers that the configuration names. */
async function openTrustOf(config: FleetConfig): Promise<Trust> {
  const trust = await openTrust(config);
  const names = trust.catalogue.all.map(({ name }) => name);
  assertIssuersOfPolicy(config.ocsp, names);
  return trust;
}

function responderChecks({ ocsp }: FleetConfig): readonly Check[] {
  const { responderPassphraseFile: file } = ocsp;
  if (file === undefined) return [];
  const field = 'ocsp.responderPassphraseFile';
  return [{ path: ['ocsp', 'responderPassphraseFile'], run: () => readSecret(field, file) }];
}

/** What signs ahead needs its queue. */
function presignChecks(config: FleetConfig): readonly Check[] {
  if (!presignsAny(config.ocsp)) return [];
  return [
    { path: ['redis'], run: () => redisConnection(config) },
    {
      path: ['ocsp'],
      run() {
        if (config.ocsp.responders !== undefined) return;
        throw new CertmillError(
          'CONFIG_INVALID',
          'ocsp.responders is missing: sign keeps the keys that sign responses ahead in it',
        );
      },
    },
  ];
}

/** Publish works on timed jobs. */
function publish(config: FleetConfig): readonly Check[] {
  return [{ path: ['redis'], run: () => redisConnection(config) }];
}

function assertSignable(field: string, name: string, { profiles }: FleetConfig): void {
  const names = [...signableProfiles(profiles).values()].map((profile) => profile.name);
  if (names.includes(name)) return;
  throw new CertmillError('CONFIG_INVALID', `${field}: there is no profile '${name}'`);
}

/** The token itself is not asked: a wrong PIN would count there. */
function checkSlot(field: string, slot: SlotConfig): void {
  if ('keyFile' in slot) {
    readNamedFile(`${field}.keyFile`, slot.keyFile);
    readSecret(`${field}.passphraseFile`, slot.passphraseFile);
    return;
  }
  readNamedFile(`${field}.module`, slot.module);
  try {
    checkPinFile(slot.pinFile);
  } catch (cause) {
    if (!isCertmillError(cause)) throw cause;
    throw new CertmillError('CONFIG_INVALID', `${field}.pinFile: ${cause.message}`, { cause });
  }
}

function assertWritable(field: string, directory: string): void {
  try {
    accessSync(directory, constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw new CertmillError('CONFIG_INVALID', `${field}: cannot write to ${directory}`, { cause });
  }
}
