import { readFileSync } from 'node:fs';
import { CertmillError } from '@certmill/domain';
import type { ClientTlsConfig } from './fleet-config.js';

/** A file that the configuration names; CONFIG_INVALID names the file, never what is in it. */
export function readNamedFile(field: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new CertmillError('CONFIG_INVALID', `${field}: cannot read ${path}`, { cause });
  }
}

/** A password or PIN; one line end after it is not part of it. CONFIG_INVALID where it is empty. */
export function readSecret(field: string, path: string): string {
  const secret = readNamedFile(field, path)
    .toString('utf8')
    .replace(/\r?\n$/, '');
  if (secret === '') throw new CertmillError('CONFIG_INVALID', `${field}: ${path} is empty`);
  return secret;
}

/** What a client of node:tls takes. */
export interface ClientTls {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

/** Undefined where TLS is not configured. */
export function readClientTls(
  field: string,
  config: ClientTlsConfig | undefined,
): ClientTls | undefined {
  if (config === undefined) return undefined;
  const { caFile, certFile, keyFile } = config;
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw new CertmillError('CONFIG_INVALID', `${field}: certFile and keyFile go together`);
  }
  return {
    ...(caFile === undefined ? {} : { ca: readNamedFile(`${field}.caFile`, caFile) }),
    ...(certFile === undefined ? {} : { cert: readNamedFile(`${field}.certFile`, certFile) }),
    ...(keyFile === undefined ? {} : { key: readNamedFile(`${field}.keyFile`, keyFile) }),
  };
}
