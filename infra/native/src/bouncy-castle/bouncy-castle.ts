import { installBouncyCastle } from '../install/maven.js';
import { javaOptions } from '../process/java-options.js';
import { runCommand } from '../process/run-command.js';

const heapMegabytes = 128;

/** A chain as for `verifyByBouncyCastle`, with the CRLs and the OCSP response that are to tell its status. */
export interface StatusQuestion {
  readonly chainFile: string;
  /** DER or PEM. */
  readonly crlFiles: readonly string[];
  /** DER. */
  readonly ocspFile?: string;
}

/**
 * What Bouncy Castle says of the status: with CRLs `OK` where the whole path is valid and not revoked, else its
 * reason; with an OCSP response `good`, `revoked` or `unknown` for the first certificate, once the response's
 * signature is verified with its delegate, and the delegate with the issuer.
 */
export async function statusByBouncyCastle(
  questions: readonly StatusQuestion[],
): Promise<readonly string[]> {
  const args = questions.flatMap(({ chainFile, crlFiles, ocspFile }) => [
    ...['--chain', chainFile, ...crlFiles.flatMap((file) => ['--crl', file])],
    ...(ocspFile === undefined ? [] : ['--ocsp', ocspFile]),
  ]);
  return linesOf('CheckStatus', args);
}

/**
 * What Bouncy Castle says of chains (RFC 5280 6.1, without status): `OK` or its reason, in the order of
 * the files. A file holds certificates in PEM, the device first, the root last.
 */
export async function verifyByBouncyCastle(files: readonly string[]): Promise<readonly string[]> {
  return linesOf('VerifyChains', files);
}

async function linesOf(program: string, args: readonly string[]): Promise<readonly string[]> {
  const classPath = await installBouncyCastle();
  const output = await runCommand(
    'java',
    [...javaOptions(heapMegabytes), '-cp', classPath, program, ...args],
    { purpose: 'Bouncy Castle', install: 'a JDK' },
  );
  return output.trimEnd().split('\n');
}
