import { randomBytes } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CertmillError, type SerialKey } from '@certmill/domain';
import {
  createFileAtomically,
  isErrorCode,
  secretFileMode,
  writeFileAtomically,
} from '../atomic-file.js';

const fileName = 'serial-keys.json';
const formatVersion = 1;
const maxSerialKeyId = 0x7f;
const serialKeyOctets = 16;

/** The serial keys of a data folder. New chunks pin the current one; older ones stay for look-ups. */
export interface SerialKeys {
  readonly current: SerialKey;
  readonly all: readonly SerialKey[];
}

/**
 * The serial keys of a data folder (`serial-keys.json`, mode 0600), made at first use.
 * Safe against several processes at once: one file wins and all read it.
 */
export async function openSerialKeys(dataDirectory: string): Promise<SerialKeys> {
  const file = join(dataDirectory, fileName);
  const found = await readSerialKeys(file);
  if (found !== undefined) return found;
  await mkdir(dataDirectory, { recursive: true, mode: 0o700 });
  await createFileAtomically(file, serialize([newSerialKey(1)]), secretFileMode);
  return (await readSerialKeys(file)) ?? notFound(file);
}

/** The serial keys that are there; undefined in a folder that has none yet. */
export async function findSerialKeys(dataDirectory: string): Promise<SerialKeys | undefined> {
  return readSerialKeys(join(dataDirectory, fileName));
}

/**
 * Adds a serial key and makes it the current one; the caller holds the lock of the data folder.
 * LIMIT_EXCEEDED after 127: ids are never used again, serial numbers must stay unique.
 */
export async function addSerialKey(dataDirectory: string): Promise<SerialKeys> {
  const { all, current } = await openSerialKeys(dataDirectory);
  if (current.id >= maxSerialKeyId) {
    throw new CertmillError('LIMIT_EXCEEDED', 'all 127 serial-key ids of this folder are used');
  }
  const keys = [...all, newSerialKey(current.id + 1)];
  await writeFileAtomically(join(dataDirectory, fileName), serialize(keys), secretFileMode);
  return openSerialKeys(dataDirectory);
}

function newSerialKey(id: number): SerialKey {
  return { id, key: randomBytes(serialKeyOctets) };
}

function serialize(keys: readonly SerialKey[]): string {
  const entries = keys.map(({ id, key }) => ({ id, keyHex: Buffer.from(key).toString('hex') }));
  return `${JSON.stringify({ formatVersion, keys: entries }, undefined, 2)}\n`;
}

async function readSerialKeys(file: string): Promise<SerialKeys | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    if (isErrorCode(cause, 'ENOENT')) return undefined;
    throw new CertmillError('FAULT_STORE_CORRUPT', `${file} cannot be read`, { cause });
  }
  const all = deserialize(text);
  const current = all?.at(-1);
  if (all === undefined || current === undefined) {
    // No cause: a parser's message would quote the keys.
    throw new CertmillError('FAULT_STORE_CORRUPT', `${file} is damaged`);
  }
  return { current, all };
}

/** Undefined where the text is not what `serialize` makes. */
function deserialize(text: string): readonly SerialKey[] | undefined {
  let form: unknown;
  try {
    form = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof form !== 'object' || form === null || !('keys' in form)) return undefined;
  if (!('formatVersion' in form) || form.formatVersion !== formatVersion) return undefined;
  if (!Array.isArray(form.keys)) return undefined;
  const keys: SerialKey[] = [];
  for (const entry of form.keys as readonly { id?: unknown; keyHex?: unknown }[]) {
    const { id, keyHex } = entry;
    const isNext = typeof id === 'number' && id > (keys.at(-1)?.id ?? 0) && id <= maxSerialKeyId;
    if (!isNext || typeof keyHex !== 'string' || !/^[0-9a-f]{32}$/.test(keyHex)) return undefined;
    keys.push({ id, key: Buffer.from(keyHex, 'hex') });
  }
  return keys;
}

function notFound(file: string): never {
  throw new CertmillError('FAULT_STORE_CORRUPT', `${file} vanished while it was being opened`);
}
