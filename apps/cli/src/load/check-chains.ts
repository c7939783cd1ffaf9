import { X509Certificate } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { CertmillError } from '@certmill/domain';

/** Certificates per message to a checking thread. */
const perMessage = 500;

/**
 * Checks every certificate of a PEM file against its chain, by OpenSSL's own code (node:crypto), on all
 * cores: signature, issuer name, that the serial number occurs once. Resolves to their number.
 */
export async function checkChains(
  certificatesFile: string,
  chainDer: readonly Uint8Array[],
  onProgress: (checked: number) => void,
): Promise<number> {
  const [issuer, ...above] = chainDer.map((der) => new X509Certificate(der));
  if (issuer === undefined) throw new CertmillError('CONFIG_INVALID', 'the issuer has no chain');
  let lower = issuer;
  for (const upper of above) {
    if (!lower.verify(upper.publicKey))
      throw new CertmillError('FAULT_STORE_CORRUPT', 'the CA chain does not verify');
    lower = upper;
  }
  const workers = Array.from(
    { length: availableParallelism() },
    () =>
      new Worker(new URL('./check-chains.worker.js', import.meta.url), {
        workerData: { issuer: issuer.raw },
      }),
  );
  const serials = new Set<string>();
  let checked = 0;
  const check = async (worker: Worker, certificates: readonly string[]): Promise<void> => {
    const answer = await new Promise<readonly string[] | string>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.postMessage(certificates);
    });
    worker.removeAllListeners('error');
    if (typeof answer === 'string') throw new CertmillError('FAULT_STORE_CORRUPT', answer);
    for (const serial of answer) {
      if (serials.has(serial))
        throw new CertmillError('FAULT_SERIAL_COLLISION', `serial ${serial} occurs twice`);
      serials.add(serial);
    }
    checked += certificates.length;
    onProgress(checked);
  };
  try {
    const groups = pemGroups(certificatesFile);
    await Promise.all(
      workers.map(async (worker) => {
        for (let next = await groups.next(); next.done !== true; next = await groups.next()) {
          await check(worker, next.value);
        }
      }),
    );
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  return checked;
}

async function* pemGroups(file: string): AsyncGenerator<readonly string[]> {
  let group: string[] = [];
  let lines: string[] = [];
  for await (const line of createInterface({ input: createReadStream(file) })) {
    lines.push(line);
    if (line !== '-----END CERTIFICATE-----') continue;
    group.push(lines.join('\n'));
    lines = [];
    if (group.length === perMessage) {
      yield group;
      group = [];
    }
  }
  if (group.length > 0) yield group;
}
