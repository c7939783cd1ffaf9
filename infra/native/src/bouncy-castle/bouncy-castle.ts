import { installBouncyCastle } from '../install/maven.js';
import { javaOptions } from '../process/java-options.js';
import { runCommand } from '../process/run-command.js';

const heapMegabytes = 128;

/**
 * What Bouncy Castle says of chains (RFC 5280 6.1, without status): `OK` or its reason, in the order of
 * the files. A file holds certificates in PEM, the device first, the root last.
 */
export async function verifyByBouncyCastle(files: readonly string[]): Promise<readonly string[]> {
  const classPath = await installBouncyCastle();
  const output = await runCommand(
    'java',
    [...javaOptions(heapMegabytes), '-cp', classPath, 'VerifyChains', ...files],
    { purpose: 'Bouncy Castle', install: 'a JDK' },
  );
  return output.trimEnd().split('\n');
}
