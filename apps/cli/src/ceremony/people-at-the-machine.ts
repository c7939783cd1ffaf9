import { type KeyObject } from 'node:crypto';
import { CertmillError } from '@certmill/domain';
import { decryptPrivateKey, readPassphrase } from '@certmill/trust';
import { type Custody, type KeyShare, parseKeyShare } from '@certmill/trust/ceremony';
import { pkcs11Modules, readSlotFile } from '../ca-modules.js';
import { passphraseOf } from '../hierarchy.js';
import type { Terminal } from '../terminal/terminal.js';
import { readText } from '../read-input.js';

export interface PeopleOptions {
  readonly data: string;
  /** Files of shares. */
  readonly share: readonly string[];
  /** NAME=FILE: passphrases of custodians. */
  readonly passphrase: ReadonlyMap<string, string>;
  /** NAME=FILE: private keys of custodians whose shares are encrypted to a public key. */
  readonly custodianKey: ReadonlyMap<string, string>;
  /** Files of PKCS#11 slots. */
  readonly slot: readonly string[];
}

/** Custodians with their shares and what opens them, as files. */
export async function peopleAtTheMachine(
  terminal: Terminal,
  options: PeopleOptions,
): Promise<Custody> {
  const shares = await Promise.all(options.share.map(readShare));
  const slots = await Promise.all(options.slot.map(readSlotFile));
  const passphraseIn = async (name: string): Promise<string | undefined> => {
    const file = options.passphrase.get(name);
    return file === undefined ? undefined : readPassphrase({ file }, terminal.env);
  };
  return {
    folderPassphrase: () => passphraseOf(terminal, options.data),
    lockOf: async ({ name, encryptionKey }) => {
      if (encryptionKey !== undefined) return { encryptionKey };
      const passphrase = await passphraseIn(name);
      if (passphrase !== undefined) return { passphrase };
      throw new CertmillError(
        'INVALID_INPUT',
        `the share of ${name} needs a passphrase: --passphrase ${name}=FILE`,
      );
    },
    secretOf: async ({ custodian, protection }) => {
      if (protection.kind === 'public-key') {
        const file = options.custodianKey.get(custodian);
        return file === undefined ? undefined : { privateKey: await readKey(file, passphraseIn) };
      }
      const passphrase = await passphraseIn(custodian);
      return passphrase === undefined ? undefined : { passphrase };
    },
    shares,
    modules: pkcs11Modules,
    slots,
  };

  async function readKey(
    file: string,
    passphraseOfName: (name: string) => Promise<string | undefined>,
  ): Promise<KeyObject> {
    const [name = ''] = [...options.custodianKey].find(([, one]) => one === file) ?? [];
    const passphrase = (await passphraseOfName(name)) ?? '';
    return decryptPrivateKey(await readText(file), passphrase, `the key ${file}`);
  }
}

async function readShare(file: string): Promise<KeyShare> {
  return parseKeyShare(await readText(file), file);
}
