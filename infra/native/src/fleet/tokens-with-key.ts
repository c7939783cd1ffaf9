import { randomUUID } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import { runCommand } from '../process/run-command.js';

/** A key in a PKCS#11 token. */
export interface FleetSlot {
  readonly name: string;
  readonly module: string;
  readonly token: string;
  readonly pinFile: string;
}

/**
 * Puts a key into every token that the environment names (PKCS11_TOKEN_LABELS) by softhsm2-util; the
 * label of key and object is `label`. CONFIG_INVALID where the tokens are not SoftHSM2's: their owner
 * makes the key there.
 */
export async function tokensWithKey(
  environment: Readonly<Record<string, string>>,
  folder: string,
  label: string,
  pkcs8Pem: string,
): Promise<readonly FleetSlot[]> {
  const { PKCS11_MODULE, PKCS11_TOKEN_LABELS, PKCS11_PIN_FILE, SOFTHSM2_UTIL } = environment;
  if (!PKCS11_MODULE || !PKCS11_TOKEN_LABELS || !PKCS11_PIN_FILE || !SOFTHSM2_UTIL) {
    throw new CertmillError(
      'CONFIG_INVALID',
      'a local fleet puts its key into tokens of SoftHSM2: PKCS11_MODULE, PKCS11_TOKEN_LABELS, PKCS11_PIN_FILE and SOFTHSM2_UTIL go together',
    );
  }
  const file = join(folder, `${randomUUID()}.key`);
  await writeFile(file, pkcs8Pem, { mode: 0o600 });
  try {
    const pin = (await readFile(PKCS11_PIN_FILE, 'utf8')).trimEnd();
    for (const token of PKCS11_TOKEN_LABELS.split(',')) {
      await runCommand(
        SOFTHSM2_UTIL,
        [
          ...['--module', PKCS11_MODULE, '--import', file, '--token', token],
          ...['--pin', pin, '--label', label, '--id', '01'],
        ],
        { purpose: 'SoftHSM2', install: 'SoftHSM2 (Debian: softhsm2)', environment },
      );
    }
  } finally {
    await rm(file);
  }
  return PKCS11_TOKEN_LABELS.split(',').map((token) => ({
    name: token,
    module: PKCS11_MODULE,
    token,
    pinFile: PKCS11_PIN_FILE,
  }));
}
