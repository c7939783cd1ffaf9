import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { CertmillError } from '@certmill/domain';
import { pemEncode } from '@certmill/der';
import type { Server } from '@certmill/standalone';
import { ensureHierarchy } from '../hierarchy.js';
import { checkChains } from '../load/check-chains.js';
import { driveBatch, json, putFile, type ServerAccess } from '../load/drive-batch.js';
import { measureLimit } from '../load/machine-limit.js';
import { makeDevices } from '../load/make-devices.js';
import { withExamples } from '../terminal/program.js';
import { formatDuration, formatNumber, formatPercent } from '../terminal/quantities.js';
import type { Terminal } from '../terminal/terminal.js';
import { dataOption } from './data-option.js';

const defaultDevices = 10_000;
const maxDevices = 10_000_000;

export function demoCommand(terminal: Terminal): Command {
  const command = new Command('demo')
    .description('the main job from end to end with simulated devices')
    .argument('[devices]', 'number of devices', String(defaultDevices))
    .addOption(dataOption())
    .option('--json', 'print one JSON object')
    .action(async (devices: string, options: { readonly data: string }) => {
      await runDemo(terminal, countOf(devices), options.data);
    });
  return withExamples(command, [
    ['certmill demo', '10,000 devices through a real server on loopback'],
    ['certmill demo 100000 --data /tmp/demo', 'more devices, another data folder'],
  ]);
}

function countOf(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > maxDevices) {
    throw new CertmillError(
      'INVALID_INPUT',
      `devices must be a whole number from 1 to ${formatNumber(maxDevices)}`,
    );
  }
  return count;
}

const demoTenant = 'demo';

async function runDemo(terminal: Terminal, devices: number, data: string): Promise<void> {
  await ensureHierarchy(terminal, data);
  const run = `demo-${new Date()
    .toISOString()
    .replace(/[^0-9]/g, '')
    .slice(0, 14)}`;
  const directory = join(data, 'demo', run);
  await mkdir(directory, { recursive: true });

  const made = terminal.progress('devices made');
  const files = await makeDevices(
    directory,
    { prefix: `${run}-`, first: 1, count: devices },
    (done) => made.update({ done, total: devices }),
  );
  made.stop();
  terminal.note("measuring this machine's own limit: openssl speed ecdsap256, all cores");
  const limit = await measureLimit(1);

  const { serve, serveSchema } = await import('@certmill/standalone');
  const config = serveSchema.parse({ data, http: { port: 0 }, logLevel: 'warn' });
  const server = await serve(config);
  try {
    const access = await openDemoTenant(server);
    terminal.note(
      `server on ${server.url}; order ${run}: ${formatNumber(devices)} devices on its allow-list`,
    );
    await openOrder(access, run, devices, files.allowList);
    const issuing = terminal.progress('issued');
    const certificates = join(directory, 'certificates.pem');
    const batch = await driveBatch(
      access,
      run,
      files.requests,
      certificates,
      ({ issued, rejected }) => issuing.update({ done: issued, rejected, total: devices }),
    );
    issuing.stop();
    const { services } = server.issuance;
    const order = await services.orders.getOrder(demoTenant, run);
    const chain = services.chainOf(order?.issuer ?? '') ?? [];
    const chainFile = join(directory, 'chain.pem');
    await writeFile(chainFile, chain.map((der) => pemEncode('CERTIFICATE', der)).join(''));
    const checking = terminal.progress('chains checked');
    const checked = await checkChains(certificates, chain, (done) =>
      checking.update({ done, total: batch.issued }),
    );
    checking.stop();
    if (checked !== batch.issued) {
      throw new CertmillError(
        'FAULT_STORE_CORRUPT',
        `${String(batch.issued)} issued, but ${String(checked)} downloaded`,
      );
    }
    const rate = devices / batch.seconds;
    const share = limit === undefined ? undefined : rate / limit.certificatesPerSecond;
    if (batch.rejected > 0) terminal.exitCode = 2;
    terminal.report(
      {
        batchId: batch.batchId,
        accepted: devices,
        issued: batch.issued,
        rejected: batch.rejected,
        seconds: batch.seconds,
        certificatesPerSecond: rate,
        limitPerSecond: limit?.certificatesPerSecond ?? null,
        ratio: share ?? null,
        chainsChecked: checked,
        certificates,
        chain: chainFile,
      },
      [
        '',
        `issued ${formatNumber(batch.issued)}, rejected ${formatNumber(batch.rejected)} in ${formatDuration(batch.seconds)}: ${formatNumber(rate)} certificates/s`,
        share === undefined
          ? 'no openssl on this machine, so there is no limit to compare with'
          : `${formatPercent(share)} of this machine's own limit (${formatNumber(limit?.certificatesPerSecond ?? 0)}/s: P-256 verify + sign by openssl on all cores)`,
        `chain check: all ${formatNumber(checked)} certificates verify, every serial number is unique`,
        `certificates: ${certificates}`,
        `chain:        ${chainFile}`,
        '',
        'Next, with your own CSRs:',
        `  npx certmill issue ./my-csrs --profile tls-client --out ./certs`,
      ],
    );
  } finally {
    await server.stop();
  }
}

async function openDemoTenant(server: Server): Promise<ServerAccess> {
  const { services } = server.issuance;
  await services.openTenant(demoTenant);
  const { newApiKey } = await import('@certmill/platform');
  const { key, keyHash } = newApiKey();
  const createdAtMs = Date.now();
  await services.tenants.addCredential({
    keyHash,
    tenant: demoTenant,
    role: 'operator',
    label: 'demo',
    createdAtMs,
  });
  return { url: server.url, key };
}

async function openOrder(
  access: ServerAccess,
  orderId: string,
  quota: number,
  allowList: string,
): Promise<void> {
  const expiresAt = new Date(Date.now() + 86_400_000).toISOString();
  const body = JSON.stringify({
    orderId,
    profile: 'tls-client',
    quota,
    expiresAt,
    requiresAllowList: true,
  });
  await json(access, '/v1/orders', { method: 'POST', body });
  await putFile(access, `/v1/orders/${orderId}/devices`, allowList, 'text/csv');
}
