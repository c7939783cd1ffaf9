import { isCertmillError } from '@certmill/domain';
import { installBouncyCastle, installKafka, installMongoStandIn } from './install/maven.js';
import { findGnuTls } from './gnutls/find-gnutls.js';
import { ensureTool, toolNames, type ToolName } from './install/ensure-tool.js';
import { buildFaultsModule } from './pkcs11-faults/build-faults-module.js';
import { findNssTools } from './nss/nss-database.js';
import { findRedis } from './redis/find-redis.js';
import { findSoftHsm } from './soft-hsm/find-soft-hsm.js';

const parts: Readonly<Record<string, () => Promise<string>>> = {
  kafka: installKafka,
  mongo: installMongoStandIn,
  'bouncy-castle': installBouncyCastle,
  gnutls: async () => (await findGnuTls()).certtool,
  nss: async () => (await findNssTools()).programFile('certutil'),
  redis: findRedis,
  softhsm: async () => (await findSoftHsm()).moduleFile,
  'pkcs11-faults': buildFaultsModule,
  ...Object.fromEntries(toolNames.map((name: ToolName) => [name, () => ensureTool(name)])),
};

/** `node infra/native/dist/install.js PART...`: installs what is missing and prints where each is. */
async function main(names: readonly string[]): Promise<void> {
  if (names.length === 0) process.stdout.write(`parts: ${Object.keys(parts).join(' ')}\n`);
  for (const name of names) {
    const install = parts[name];
    if (install === undefined) {
      process.stderr.write(`there is no part ${name}\n`);
      process.exitCode = 1;
      return;
    }
    process.stdout.write(`${await install()}\n`);
  }
}

main(process.argv.slice(2)).catch((error: unknown) => {
  const told = isCertmillError(error) ? [error.message, error.cause ?? ''] : [error];
  process.stderr.write(`${told.map(String).join('\n')}\n`);
  process.exitCode = 1;
});
