import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { LocalFleet, makeRunFolder, resolveServers } from '@certmill/native';
import type { LoadTarget } from './target.js';

/**
 * A fleet of this machine: services as processes of their own, lanes apart, with keys in two tokens,
 * over the servers that infra/native finds or starts. All of it is removed at the end.
 */
export async function startFleet(): Promise<LoadTarget> {
  const folder = await makeRunFolder();
  const removeFolder = (): Promise<void> => rm(folder, { recursive: true, force: true });
  const servers = await resolveServers({
    needs: ['kafka', 'mongo', 'redis', 'softhsm'],
    // In memory the stand-in is full after some 250,000 certificates.
    mongoData: 'file',
  });
  try {
    const fleet = await LocalFleet.start({
      folder: join(folder, 'fleet'),
      environment: servers.environment,
      usesTokens: true,
    });
    const { url, adminKey, services } = fleet;
    return {
      kind: 'fleet',
      url,
      key: adminKey,
      description: `a fleet of ${String(services.length)} processes, lanes apart; ${servers.message}`,
      processes: services.map(({ name, operationsUrl }) => ({
        name,
        metricsUrl: `${operationsUrl}/metrics`,
      })),
      async stop() {
        await fleet.stop();
        await servers.stop();
        await removeFolder();
      },
    };
  } catch (error) {
    await servers.stop();
    await removeFolder();
    throw error;
  }
}
