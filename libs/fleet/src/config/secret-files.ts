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

/** PEM, as clients take it. */
export interface ClientTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
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
  const read = (name: string, path: string): string =>
    readNamedFile(`${field}.${name}`, path).toString('utf8');
  return {
    ...(caFile === undefined ? {} : { ca: read('caFile', caFile) }),
    ...(certFile === undefined ? {} : { cert: read('certFile', certFile) }),
    ...(keyFile === undefined ? {} : { key: read('keyFile', keyFile) }),
  };
}
