import { isCertmillError } from '@certmill/domain';
import { closeLoggers, readConfig } from '@certmill/platform';
import { endProcess } from '@certmill/signing';
import { fleetSchema, type FleetConfig } from './config/fleet-config.js';
import { runService, type RunOptions } from './run-service.js';
import type { Role } from './service-context.js';

/** CONFIG_INVALID names each line that is wrong. */
export function readFleetConfig(file: string): FleetConfig {
  return readConfig(fleetSchema, file);
}

/** Beyond the parts' own bounds: a thread in foreign code may keep the process from ending. */
const exitGraceMs = 2_000;

/**
 * The whole life of a service's process: `main.ts` of each app. The first SIGTERM or SIGINT drains, a
 * second one ends at once. Exit codes: 0 stopped, 1 could not start or has to be started again.
 */
export async function superviseService(
  role: Role,
  {
    argv,
    environment,
  }: { readonly argv: readonly string[]; readonly environment: NodeJS.ProcessEnv },
  options: Omit<RunOptions, 'signal'> = {},
): Promise<void> {
  const file = argv[argv.indexOf('--config') + 1] ?? environment['CERTMILL_CONFIG'];
  const say = (text: string): void => {
    process.stderr.write(`${text}\n`);
  };
  if (file === undefined || (argv.length > 0 && !argv.includes('--config'))) {
    say(`usage: certmill-${role} --config FILE, or CERTMILL_CONFIG=FILE`);
    process.exit(1);
  }
  const stopping = new AbortController();
  let config: FleetConfig | undefined;
  const onSignal = (): void => {
    if (stopping.signal.aborted) void endProcess(1, closeLoggers);
    stopping.abort();
  };
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
  let exitCode = 0;
  try {
    config = readFleetConfig(file);
    const service = await runService(role, config, {
      ...options,
      configFile: file,
      signal: stopping.signal,
    });
    const stopped = new Promise<void>((resolve) => {
      stopping.signal.addEventListener('abort', () => resolve(), { once: true });
      if (stopping.signal.aborted) resolve();
    });
    await Promise.race([stopped, service.failed]).catch(() => {
      exitCode = 1;
    });
    const late = (): void => void endProcess(exitCode, closeLoggers);
    setTimeout(late, config.stopTimeoutMs + exitGraceMs).unref();
    await service.stop();
  } catch (error) {
    if (!isCertmillError(error)) throw error;
    if (error.code !== 'FAULT_STOPPING' || !stopping.signal.aborted) {
      say(`error ${error.code}: ${error.message}`);
      exitCode = 1;
    }
  }
  // `process.exit` would wait for a thread that hangs in a PKCS#11 module.
  await endProcess(exitCode, closeLoggers);
}
