import { execFileSync } from 'node:child_process';

export type KeyKind = 'p256' | 'p384' | 'rsa2048' | 'ed25519';

const newKey: Readonly<Record<KeyKind, readonly string[]>> = {
  p256: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  p384: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384'],
  rsa2048: ['-newkey', 'rsa:2048'],
  ed25519: ['-newkey', 'ed25519'],
};

/** Runs the real openssl; its standard output. Throws with its messages where it fails. */
export function openssl(...args: readonly string[]): string {
  return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** A request with a key of its own, as a factory engineer makes one: `<out>` and `<out>.key`. */
export function opensslCsr(
  kind: KeyKind,
  subject: string,
  out: string,
  ...options: readonly string[]
): void {
  const keys = ['-nodes', ...newKey[kind], '-keyout', `${out}.key`];
  openssl('req', '-new', ...keys, '-utf8', '-subj', subject, '-out', out, ...options);
}

/** What `openssl verify` says of certificate files under the CA of a data folder. */
export function opensslVerify(data: string, files: readonly string[]): string {
  const chain = [
    '-CAfile',
    `${data}/ca/root/certificate.pem`,
    '-untrusted',
    `${data}/ca/issuing/chain.pem`,
  ];
  return openssl('verify', '-x509_strict', ...chain, ...files);
}
