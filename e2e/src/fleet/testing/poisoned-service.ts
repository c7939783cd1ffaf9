import { existsSync } from 'node:fs';
import { patchedStore } from '../../crash/patched-store.js';
import { CertmillError } from '@certmill/domain';
import { superviseService, type Role } from '@certmill/fleet';

/** While this file is there, publish finds every chunk to be poison. */
export function poisonFileOf(configFile: string): string {
  return `${configFile}.poison`;
}

/** A service as its own program runs it, whose store refuses segments on demand. */
async function main(): Promise<void> {
  const [role, ...argv] = process.argv.slice(2);
  const poison = poisonFileOf(argv[1] ?? '');
  await superviseService(
    role as Role,
    { argv, environment: process.env },
    {
      overrides: {
        aroundStore: (store) =>
          patchedStore(store, {
            publish: (terminal) =>
              existsSync(poison)
                ? Promise.reject(new CertmillError('FAULT_PROCESSING', 'poison in publish'))
                : store.publish(terminal),
          }),
      },
    },
  );
}

if (process.argv[1]?.endsWith('poisoned-service.js') === true) await main();
