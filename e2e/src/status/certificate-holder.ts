import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFile } from 'node:child_process';
import { pemEncode } from '@certmill/der';
import type { BatchId, RevocationReason, StatusOutcome } from '@certmill/domain';
import { certificatesOf } from '@certmill/pipeline';
import type { StatusChange } from '@certmill/ports';
import { issuerPathsOf } from '@certmill/trust';
import { csrsOf, ndjsonOf } from '../testing/a-csr.js';
import { anOrder, ndjson, type TestServer } from '../http/test-server.js';

/** A batch of devices with their certificates and the issuer's in files, for programs of others. */
export interface IssuedFiles extends AsyncDisposable {
  readonly directory: string;
  readonly batchId: BatchId;
  readonly tenant: string;
  /** PEM, by index. */
  readonly certificates: readonly string[];
  readonly issuer: string;
  /** The issuer's chain, root last. */
  readonly chain: string;
}

export async function issueFiles(server: TestServer, count: number): Promise<IssuedFiles> {
  await anOrder(server, 'o1');
  const response = await server.call('POST', '/v1/orders/o1/batches', {
    headers: { ...ndjson, 'idempotency-key': 'one' },
    body: ndjsonOf(csrsOf(count, 'dev')),
  });
  const { batchId } = (await response.json()) as { batchId: string };
  await (await server.call('GET', `/v1/batches/${batchId}/events`)).text();
  const { store } = server.server.issuance;
  const tenant = (await store.findTenant(batchId)) ?? '';
  const segment = await store.getSegment({ tenant, batchId, chunkNumber: 0 });
  const directory = await mkdtemp(join(tmpdir(), 'certmill-status-'));
  const ders = certificatesOf(segment ?? new Uint8Array());
  const certificates = await Promise.all(
    ders.map(async (der, index) => {
      const file = join(directory, `device-${String(index)}.pem`);
      await writeFile(file, pemEncode('CERTIFICATE', der));
      return file;
    }),
  );
  const { certificateFile, chainFile } = issuerPathsOf(server.data, 'dev');
  return {
    directory,
    batchId,
    tenant,
    certificates,
    issuer: certificateFile,
    chain: chainFile,
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}

export async function serialOf(file: string): Promise<Buffer> {
  return Buffer.from(new X509Certificate(await readFile(file)).serialNumber, 'hex');
}

/** The revocation of a certificate, as the store records it. */
export async function changeOf(
  { tenant, batchId, certificates }: IssuedFiles,
  index: number,
  reason: RevocationReason,
  revokedAtMs = Date.now(),
): Promise<StatusChange> {
  const file = certificates[index] ?? '';
  return {
    tenant,
    batchId,
    index,
    scope: { issuer: 'dev', shard: 0 },
    serialNumber: await serialOf(file),
    notAfterMs: Date.parse(new X509Certificate(await readFile(file)).validTo),
    change: { kind: 'revoke', reason, revokedAtMs },
  };
}

/** Revokes a certificate as the store records it, and says so to what keeps answers. */
export async function revoke(
  server: TestServer,
  files: IssuedFiles,
  index: number,
  reason: RevocationReason,
  revokedAtMs = Date.now(),
): Promise<StatusOutcome | undefined> {
  const { store, ocsp } = server.server.issuance;
  const change = await changeOf(files, index, reason, revokedAtMs);
  const [outcome] = await store.changeStatuses([change]);
  await ocsp.changed({ tenant: files.tenant, batchId: files.batchId, chunkNumber: 0 });
  return outcome;
}

/** What a program printed, stdout and stderr, and how it ended. */
export function run(
  program: string,
  ...args: readonly string[]
): Promise<{ readonly text: string; readonly code: number }> {
  return new Promise((resolve) => {
    execFile(program, args, { timeout: 120_000 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ text: stdout + stderr, code });
    });
  });
}
