import { CertmillError, statusAddresses, type StatusAddresses } from '@certmill/domain';
import { publicFileMode, writeFileAtomically } from '../atomic-file.js';

/** Where the status addresses of a CA lie: beside its certificate, written once (ADR 0020). */
export const statusFileName = 'status.json';
const formatVersion = 1;

/** For the folder of a CA that is being made; nothing changes such a file afterwards. */
export async function writeStatus(file: string, status: StatusAddresses): Promise<void> {
  await writeFileAtomically(file, statusText(status), publicFileMode);
}

export function statusText({ baseUri, crlShards }: StatusAddresses): string {
  return `${JSON.stringify({ formatVersion, baseUri, crlShards }, undefined, 2)}\n`;
}

/** Throws INVALID_INPUT where the text is not what `writeStatus` makes. */
export function readStatus(text: string): StatusAddresses {
  let form: unknown;
  try {
    form = JSON.parse(text);
  } catch {
    throw damaged();
  }
  if (typeof form !== 'object' || form === null) throw damaged();
  const { formatVersion: version, baseUri, crlShards } = form as Record<string, unknown>;
  if (version !== formatVersion || typeof baseUri !== 'string' || typeof crlShards !== 'number') {
    throw damaged();
  }
  return statusAddresses(baseUri, crlShards);
}

function damaged(): CertmillError {
  return new CertmillError('INVALID_INPUT', 'the file is damaged or of another format');
}
