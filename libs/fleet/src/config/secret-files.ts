import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
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
  const pem = {
    ...(caFile === undefined ? {} : { ca: read('caFile', caFile) }),
    ...(certFile === undefined ? {} : { cert: read('certFile', certFile) }),
    ...(keyFile === undefined ? {} : { key: read('keyFile', keyFile) }),
  };
  assertUsable(field, pem);
  return pem;
}

/** What a client would notice at its first connection only, and say in OpenSSL's words. */
function assertUsable(field: string, { ca, cert, key }: ClientTls): void {
  const wrong = (reason: string): CertmillError =>
    new CertmillError('CONFIG_INVALID', `${field}: ${reason}`);
  if (ca !== undefined && !isCertificate(ca)) throw wrong('caFile holds no certificate in PEM');
  if (cert === undefined || key === undefined) return;
  if (!isCertificate(cert)) throw wrong('certFile holds no certificate in PEM');
  try {
    createSecureContext({ cert, key });
  } catch {
    // No cause: nothing of a key may leak.
    throw wrong('keyFile does not hold the key of certFile, in PEM and without passphrase');
  }
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}
