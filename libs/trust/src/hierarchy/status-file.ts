import { join } from 'node:path';
import { readFile } from 'node:fs/promises';
import { CertmillError, statusAddresses, type StatusAddresses } from '@certmill/domain';
import { isErrorCode, publicFileMode, writeFileAtomically } from '../atomic-file.js';

const formatVersion = 1;

/** Where the status addresses of a CA lie: beside its certificate, written once (ADR 0020). */
export function statusFileIn(directory: string): string {
  return join(directory, 'status.json');
}

/** For the folder of a CA that is being made; nothing changes such a file afterwards. */
export async function writeStatusFile(directory: string, status: StatusAddresses): Promise<void> {
  const { baseUri, crlShards } = status;
  const text = `${JSON.stringify({ formatVersion, baseUri, crlShards }, undefined, 2)}\n`;
  await writeFileAtomically(statusFileIn(directory), text, publicFileMode);
}

/** Undefined where the CA has no addresses. FAULT_STORE_CORRUPT where the file is none of ours. */
export async function readStatusFile(directory: string): Promise<StatusAddresses | undefined> {
  const file = statusFileIn(directory);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    if (isErrorCode(cause, 'ENOENT')) return undefined;
    throw new CertmillError('FAULT_STORE_CORRUPT', `${file} cannot be read`, { cause });
  }
  try {
    return deserialize(JSON.parse(text));
  } catch (cause) {
    throw new CertmillError('FAULT_STORE_CORRUPT', `${file} is damaged`, { cause });
  }
}

function deserialize(form: unknown): StatusAddresses {
  const { formatVersion: version, baseUri, crlShards } = form as Record<string, unknown>;
  if (version !== formatVersion || typeof baseUri !== 'string' || typeof crlShards !== 'number') {
    throw new CertmillError('INVALID_INPUT', 'not a file of status addresses');
  }
  return statusAddresses(baseUri, crlShards);
}
