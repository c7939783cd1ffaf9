import { rm } from 'node:fs/promises';
import type { BrokerSettings } from '../kafka/broker-settings.js';
import { makeRunFolder } from '../process/run-folder.js';
import { dockerSource } from './docker-source.js';
import { environmentSource } from './environment-source.js';
import { nativeSource } from './native-source.js';
import { resolveParts, type ResolvedServers } from './resolve-parts.js';
import type { ServerNeed } from './server-source.js';

export interface ResolveOptions {
  readonly needs: readonly ServerNeed[];
  readonly brokers?: 1 | 3;
  /** For brokers of this machine only. */
  readonly brokerSettings?: BrokerSettings;
  /** For the stand-in of this machine only; see MongoStandInOptions. */
  readonly mongoData?: 'memory' | 'file';
  /** Labels of the tokens of SoftHSM2; two unless told. */
  readonly tokens?: readonly string[];
}

const defaultTokens = ['certmill-a', 'certmill-b'];

/** Servers that are given, else containers, else processes of this machine: for each need the first. */
export async function resolveServers(options: ResolveOptions): Promise<ResolvedServers> {
  const folder = await makeRunFolder();
  const removeFolder = (): Promise<void> => rm(folder, { recursive: true, force: true });
  const {
    brokers = 1,
    brokerSettings = {},
    mongoData = 'memory',
    tokens = defaultTokens,
  } = options;
  try {
    const servers = await resolveParts(options.needs, [
      environmentSource(process.env),
      dockerSource({ brokers }),
      nativeSource({ folder, brokers, brokerSettings, mongoData, tokens }),
    ]);
    return {
      ...servers,
      stop: async () => {
        await servers.stop();
        await removeFolder();
      },
    };
  } catch (error) {
    await removeFolder();
    throw error;
  }
}
