import type { KeyObject } from 'node:crypto';
import type { Command } from 'commander';
import { decryptPrivateKey, readPassphrase } from '@certmill/trust';
import type { Terminal } from '../terminal/terminal.js';
import { readText } from '../read-input.js';

export interface SigningKeyOptions {
  readonly key: string;
  readonly passphraseFile?: string;
}

const passphraseVariable = 'CERTMILL_KEY_PASSPHRASE';

export function withSigningKey(command: Command): Command {
  return command
    .requiredOption('--key <file>', 'private key, encrypted PKCS#8 in PEM: Ed25519 or P-256')
    .option('--passphrase-file <file>', `its passphrase; default: ${passphraseVariable}`);
}

/** The private key of a person who approves or witnesses. */
export async function readSigningKey(
  terminal: Terminal,
  options: SigningKeyOptions,
): Promise<KeyObject> {
  const source =
    options.passphraseFile === undefined
      ? { environmentVariable: passphraseVariable }
      : { file: options.passphraseFile };
  const passphrase = await readPassphrase(source, terminal.env);
  return decryptPrivateKey(await readText(options.key), passphrase, `the key ${options.key}`);
}
