import type { RevocationReason } from '@certmill/domain';

/** What people do where the key of a CA is, with what they carry there and back. */

export function carryRequest(name: string, under: string, requestFile: string): string {
  return [
    `the key of '${under}', which is to sign '${name}', is not here. Carry ${requestFile} to it; there:`,
    `  certmill ca sign request.pem --under ${under} --data DIR -o chain.pem`,
    'carry chain.pem back, and take it in here:',
    `  certmill ca complete ${name} --chain chain.pem`,
    'or give the folder of that CA with --parent-data.',
  ].join('\n');
}

export interface RevocationToCarry {
  /** Certificates to be revoked. */
  readonly files: readonly string[];
  /** The CA that signed them: a name where it is known here, and its subject. */
  readonly signer: string;
  readonly subject: string;
  readonly reason: RevocationReason;
}

export function carryRevocation({ files, signer, subject, reason }: RevocationToCarry): string {
  return [
    `the key of '${subject}' is not here. Carry to it: ${files.join(', ')}; there, for each:`,
    `  certmill ca revoke --certificate FILE --under ${signer} --data DIR --reason ${reason}`,
    `  certmill ca crl ${signer} --data DIR --out ${signer}.crl`,
    `carry ${signer}.crl back, and type the same command with --parent-crl ${signer}.crl;`,
    'or give the folder of that CA with --parent-data.',
  ].join('\n');
}
