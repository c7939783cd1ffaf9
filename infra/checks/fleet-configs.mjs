import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Reads configurations as a service does; the checkout must be built. */
export async function problemsOfConfigs(configs) {
  const { fleetSchema } = await import('../../libs/fleet/dist/config/fleet-config.js');
  const { readConfig } = await import('../../libs/platform/dist/config/read-config.js');
  const folder = mkdtempSync(join(tmpdir(), 'certmill-configs-'));
  const file = join(folder, 'fleet.yaml');
  try {
    return configs.flatMap(({ where, text }) => {
      writeFileSync(file, text);
      try {
        readConfig(fleetSchema, file);
        return [];
      } catch (error) {
        return [`${where}: ${error.message.replaceAll(file, 'fleet.yaml')}`];
      }
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
