import { once } from 'node:events';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { CertmillError, isCertmillError } from '@certmill/domain';
import { makeRunFolder } from '../process/run-folder.js';
import { onStopSignals } from '../process/stop-signals.js';
import { resolveServers } from '../resolve/resolve-servers.js';
import type { ResolvedServers } from '../resolve/resolve-parts.js';
import { firstCommands } from './first-commands.js';
import { fleetUsage, planOf, readFleetOptions, type FleetOptions } from './fleet-options.js';
import { readFleetStatus, type FleetStatus } from './fleet-status.js';
import { FleetSupervisor } from './fleet-supervisor.js';
import { crlPath, publicTrustOf } from './local-authority.js';
import { LiveLine } from './live-line.js';
import { LocalFleet } from './local-fleet.js';
import { statusLine } from './status-line.js';

/** A terminal is rewritten each second, a file or a pipe gets a line now and then. */
const everyMs = { terminal: 1_000, lines: 5_000 } as const;
/** Then the rest is killed: services have 25 s in each of two steps, servers 10 s. */
const stopWithinMs = 75_000;
const exitCodes = { failed: 1, interrupted: 130 } as const;
const leastPartitions = 4;

const screen = new LiveLine(process.stdout);

async function main(args: readonly string[]): Promise<void> {
  if (args.includes('--help')) {
    process.stdout.write(fleetUsage);
    return;
  }
  const options = readFleetOptions(args);
  await refuseTakenPort('--port', options.port);
  await refuseTakenPort('--status-port', options.statusPort);
  const folder = await folderOf(options.keep);
  const removeFolder = (): void => {
    if (options.keep === undefined) rmSync(folder, { recursive: true, force: true });
  };
  const stopping = stopSignal(removeFolder);
  let servers: ResolvedServers | undefined;
  let fleet: LocalFleet | undefined;
  try {
    screen.say('starting servers: the first time they are installed, which takes minutes');
    const { brokers } = options;
    servers = await resolveServers({
      needs: ['kafka', 'mongo', 'redis', 'softhsm'],
      brokers,
      // In memory the stand-in is full after some 250,000 certificates.
      mongoData: 'file',
    });
    screen.say(servers.message);
    screen.say('starting services: half a minute on two cores');
    fleet = await startFleet(options, folder, servers);
    const keyFile = join(folder, 'admin.key');
    await writeFile(keyFile, `${fleet.adminKey}\n`, { mode: 0o600 });
    introduce(fleet, servers, keyFile, options.showsKey);
    const supervisor = new FleetSupervisor({ say: (text) => screen.say(text) });
    for (const service of fleet.services) void supervisor.watch(service);
    stopping.ready();
    await showStatus(fleet, stopping.signal);
    supervisor.stop();
    screen.clear();
    screen.say('stopping: services finish what is in hand');
  } finally {
    await fleet?.stop();
    await servers?.stop();
    removeFolder();
  }
  screen.say(options.keep === undefined ? 'stopped' : `stopped; what is kept is in ${folder}`);
}

function startFleet(
  options: FleetOptions,
  folder: string,
  servers: ResolvedServers,
): Promise<LocalFleet> {
  const { brokers, validate, sign, port, statusPort } = options;
  return LocalFleet.start({
    folder,
    environment: servers.environment,
    usesTokens: true,
    plan: planOf(options),
    replicationFactor: brokers,
    minInsyncReplicas: brokers === 3 ? 2 : 1,
    partitions: { bulk: Math.max(leastPartitions, 2 * validate, 2 * sign), interactive: 2 },
    apiPort: port,
    statusPort,
    keepsMarks: true,
  });
}

function introduce(
  fleet: LocalFleet,
  { environment }: ResolvedServers,
  keyFile: string,
  showsKey: boolean,
): void {
  const { KAFKA_BROKERS = '', MONGODB_URI = '', REDIS_URL = '' } = environment;
  const { url, configFile, services, folder } = fleet;
  const statusUrl = fleet.of('status')[0]?.apiUrl ?? '';
  const publicTrust = publicTrustOf(folder);
  const commands = firstCommands({
    ...{ url, statusUrl, publicTrust },
    ...{ keyFile, configFile, services },
  });
  const rows = [
    ['API', `${url}, described at ${url}/openapi.json`],
    ['OCSP', `${statusUrl}/ocsp`],
    ['CRL', `${statusUrl}${crlPath}`],
    ['Kafka', KAFKA_BROKERS],
    ['MongoDB', MONGODB_URI],
    ['Redis', REDIS_URL],
    ['admin key', keyFile],
    ['logs', join(folder, '*.log')],
    ...services.map(({ name, operationsUrl }) => [name, `metrics at ${operationsUrl}/metrics`]),
  ];
  screen.say('');
  for (const [name = '', what = ''] of rows) screen.say(`${name.padEnd(22)}${what}`);
  if (showsKey) {
    screen.say('key of the admin (tenant default), shown this once:');
    screen.say(`  ${fleet.adminKey}`);
  }
  screen.say('\nin another terminal, with the batch id that submit prints:\n');
  for (const command of commands) screen.say(`  ${command}`);
  screen.say(
    '\nthe fleet is ready; Ctrl-C stops it. Below: chunks that wait for each stage, and how many',
  );
  screen.say('slots and services are ready, of all\n');
}

async function showStatus(fleet: LocalFleet, signal: AbortSignal): Promise<void> {
  let before: FleetStatus | undefined;
  for (;;) {
    const now = await readFleetStatus(fleet.services, () => performance.now());
    screen.update(statusLine(before, now));
    before = now;
    const ms = screen.isTerminal ? everyMs.terminal : everyMs.lines;
    await pause(ms, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
  }
}

/**
 * Aborts at the first SIGINT or SIGTERM. One that comes before `ready`, or a second one, or one whose
 * stop takes too long, ends this process at once: the kernel ends its children with it.
 */
function stopSignal(beforeExit: () => void): { readonly signal: AbortSignal; ready(): void } {
  const stopping = new AbortController();
  let isReady = false;
  const end = (code: number): void => {
    screen.clear();
    beforeExit();
    process.exit(code);
  };
  const interrupt = (): void => end(exitCodes.interrupted);
  onStopSignals(() => {
    if (!isReady) interrupt();
    stopping.abort();
    setTimeout(() => {
      screen.say('not all ended in time: the rest is killed');
      end(exitCodes.failed);
    }, stopWithinMs).unref();
  }, interrupt);
  return { signal: stopping.signal, ready: () => void (isReady = true) };
}

/** New or empty: keys are never written over. */
async function folderOf(keep: string | undefined): Promise<string> {
  if (keep === undefined) return makeRunFolder();
  const folder = resolve(keep);
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    throw new CertmillError('CONFIG_INVALID', `--keep: ${folder} is not empty`);
  }
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return folder;
}

async function refuseTakenPort(option: string, port: number): Promise<void> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch (cause) {
    const said = `port ${String(port)} of 127.0.0.1 is taken: give another with ${option}`;
    throw new CertmillError('CONFIG_INVALID', said, { cause });
  } finally {
    server.close();
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  screen.clear();
  if (!isCertmillError(error)) throw error;
  process.stderr.write(`error ${error.code}: ${error.message}\n`);
  process.exitCode = exitCodes.failed;
}
