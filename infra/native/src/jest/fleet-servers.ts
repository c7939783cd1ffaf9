import { buildFaultsModule } from '../pkcs11-faults/build-faults-module.js';
import { resolveServers } from '../resolve/resolve-servers.js';
import type { ResolvedServers } from '../resolve/resolve-parts.js';

let servers: ResolvedServers | undefined;

/** Starts what fleet specs need, once for a run, and hands it to the workers by their environment. */
export async function startFleetServers(): Promise<void> {
  servers = await resolveServers({ needs: ['kafka', 'mongo', 'redis', 'softhsm'] });
  Object.assign(process.env, servers.environment, {
    PKCS11_FAULTS_MODULE: await buildFaultsModule(),
  });
  process.stderr.write(`${servers.message}\n`);
}

export async function stopFleetServers(): Promise<void> {
  await servers?.stop();
}
