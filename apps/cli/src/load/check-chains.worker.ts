import { X509Certificate } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';

const issuer = new X509Certificate((workerData as { readonly issuer: Uint8Array }).issuer);
const issuerKey = issuer.publicKey;

/** Answers with the serial numbers, or with what is wrong. */
parentPort?.on('message', (certificates: readonly string[]) => {
  const serials: string[] = [];
  for (const pem of certificates) {
    const certificate = new X509Certificate(pem);
    if (!certificate.checkIssued(issuer) || !certificate.verify(issuerKey)) {
      parentPort?.postMessage(`certificate ${certificate.serialNumber} does not verify`);
      return;
    }
    serials.push(certificate.serialNumber);
  }
  parentPort?.postMessage(serials);
});
