import { CertmillError } from '@certmill/domain';
import { publicFileMode, writeFileAtomically } from '../atomic-file.js';
import type { IssuerKeyType } from '../keys/key-types.js';
import type { SoftwareCaSigner } from './ca-key.js';

/** Where the key of a CA is that lies in no file: a token of a PKCS#11 module. No secret is in it. */
export interface CaSlot {
  /** The module's shared library. */
  readonly module: string;
  /** Label of the token. */
  readonly token: string;
  readonly keyLabel: string;
  /** CKA_ID, hex. */
  readonly keyId: string;
  /** Holds the user PIN. */
  readonly pinFile: string;
}

/** What reaches keys in modules: given by whoever has PKCS#11. */
export interface CaModules {
  /** Makes a key that never leaves the module; repeating it is success. */
  generate(slot: CaSlot, keyType: IssuerKeyType): Promise<void>;
  /** The key, as long as the process lives. */
  open(slot: CaSlot, keyType: IssuerKeyType): Promise<SoftwareCaSigner>;
}

export const slotFileName = 'slot.json';
const formatVersion = 1;

export async function writeSlot(file: string, slot: CaSlot): Promise<void> {
  await writeFileAtomically(file, slotText(slot), publicFileMode);
}

export function slotText({ module, token, keyLabel, keyId, pinFile }: CaSlot): string {
  const form = { formatVersion, module, token, keyLabel, keyId, pinFile };
  return `${JSON.stringify(form, undefined, 2)}\n`;
}

/** Throws INVALID_INPUT where the text is not what `slotText` makes. */
export function readSlot(text: string): CaSlot {
  let form: Record<string, unknown> = {};
  try {
    form = { ...(JSON.parse(text) as object) };
  } catch {
    // It has no formatVersion then.
  }
  const { module, token, keyLabel, keyId, pinFile } = form;
  const isSlot = [module, token, keyLabel, keyId, pinFile].every((one) => typeof one === 'string');
  if (form['formatVersion'] !== formatVersion || !isSlot) {
    throw new CertmillError('INVALID_INPUT', 'the file is damaged or of another format');
  }
  return { module, token, keyLabel, keyId, pinFile } as CaSlot;
}
