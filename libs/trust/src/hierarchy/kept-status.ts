import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CertmillError, statusAddresses, type StatusAddresses } from '@certmill/domain';
import { publicFileMode, writeFileAtomically } from '../atomic-file.js';
import type { Issuer } from './load-issuers.js';

/** What the issuers of a data folder have signed with so far, by name and identifier of the key. */
export const keptStatusFileName = 'status-addresses.json';
const formatVersion = 1;

type Kept = ReadonlyMap<string, StatusAddresses>;

/**
 * Holds issuers to the status addresses that they began with: their certificates name them, and the shard
 * that each is revoked in follows from their number (ADR 0020). Those of a new one are recorded in the
 * folder, which the caller has to itself. CONFIG_INVALID where one has others, or none, with what they were;
 * FAULT_STORE_CORRUPT where the record is damaged.
 */
export async function assertStatusKept(
  dataDirectory: string,
  issuers: readonly Pick<Issuer, 'name' | 'keyIdentifier' | 'status'>[],
): Promise<void> {
  const file = join(dataDirectory, keptStatusFileName);
  const kept = await readKept(file);
  const next = new Map(kept);
  const reasons: string[] = [];
  for (const { name, keyIdentifier, status } of issuers) {
    const key = `${name} ${Buffer.from(keyIdentifier).toString('hex')}`;
    const before = kept.get(key);
    if (before === undefined) {
      // One that had none gets addresses later: what it issued until then names none.
      if (status !== undefined) next.set(key, status);
    } else if (status?.baseUri !== before.baseUri || status.crlShards !== before.crlShards) {
      reasons.push(
        `issuer '${name}': its certificates name ${told(before)}, and ca/${name}/status.json says ` +
          `${status === undefined ? 'nothing' : told(status)}: put it back`,
      );
    }
  }
  if (reasons.length > 0)
    throw new CertmillError('CONFIG_INVALID', reasons.slice(0, 10).join('\n'));
  if (next.size > kept.size) await writeFileAtomically(file, textOf(next), publicFileMode);
}

function told({ baseUri, crlShards }: StatusAddresses): string {
  return `${baseUri} with ${String(crlShards)} CRL shards`;
}

function textOf(kept: Kept): string {
  const issuers = Object.fromEntries(
    [...kept].map(([key, { baseUri, crlShards }]) => [key, { baseUri, crlShards }]),
  );
  return `${JSON.stringify({ formatVersion, issuers }, undefined, 2)}\n`;
}

async function readKept(file: string): Promise<Kept> {
  if (!existsSync(file)) return new Map();
  try {
    const form = JSON.parse(await readFile(file, 'utf8')) as Form;
    if (form.formatVersion !== formatVersion) throw new TypeError('another format');
    return new Map(
      Object.entries(form.issuers).map(([key, { baseUri, crlShards }]) => [
        key,
        statusAddresses(baseUri, crlShards),
      ]),
    );
  } catch (cause) {
    throw new CertmillError('FAULT_STORE_CORRUPT', `${file} cannot be read or is damaged`, {
      cause,
    });
  }
}

interface Form {
  readonly formatVersion: unknown;
  readonly issuers: Readonly<Record<string, StatusAddresses>>;
}
