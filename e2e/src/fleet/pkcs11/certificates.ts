import 'reflect-metadata';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import type { TestChunk } from '@certmill/signing/testing';
import type { SigningProcess, Told } from './signing-process.js';

export function signBulk(process: SigningProcess, chunk: TestChunk): Promise<Told> {
  return process.ask({
    do: 'sign',
    lane: 'bulk',
    received: Buffer.from(chunk.received).toString('base64'),
    verdict: Buffer.from(chunk.verdict).toString('base64'),
  });
}

/** How many certificates of an answer openssl and @peculiar/x509 both find signed by the issuer. */
export async function countVerified(
  told: Told,
  issuerDer: Uint8Array,
  folder: string,
): Promise<number> {
  const issuerFile = join(folder, 'issuer.pem');
  writeFileSync(issuerFile, new X509Certificate(issuerDer).toString());
  const issuer = new x509.X509Certificate(issuerDer);
  let verified = 0;
  for (const [i, text] of (told.certificates ?? []).entries()) {
    const der = Buffer.from(text, 'base64');
    const file = join(folder, `certificate-${String(i)}.pem`);
    writeFileSync(file, new X509Certificate(der).toString());
    const said = execFileSync('openssl', ['verify', '-x509_strict', '-CAfile', issuerFile, file]);
    const peculiar = new x509.X509Certificate(der);
    const isSigned = await peculiar.verify({ publicKey: issuer, signatureOnly: true });
    if (isSigned && said.toString().includes(': OK')) verified++;
  }
  return verified;
}
