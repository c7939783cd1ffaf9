import { resolve } from 'node:path';
import { z } from 'zod';
import { CertmillError, newCaKeyTypes } from '@certmill/domain';
import { type CaModules, type CaSlot, hashOf, signatureAlgorithmFor } from '@certmill/trust';
import { readText } from './read-input.js';

/** Keys of CAs in PKCS#11 modules, called by this process. */
export const pkcs11Modules: CaModules = {
  generate: async (slot, keyType) => {
    const { generateTokenKey } = await import('@certmill/signing');
    const newKeyType = newCaKeyTypes.find((one) => one === keyType);
    if (newKeyType === undefined) {
      throw new CertmillError('INVALID_INPUT', `no module makes a key of type ${keyType}`);
    }
    const { module: moduleFile, token: tokenLabel, pinFile, keyLabel, keyId } = slot;
    generateTokenKey({
      ...{ moduleFile, tokenLabel, pinFile, keyLabel, keyType: newKeyType },
      keyId: Buffer.from(keyId, 'hex'),
    });
  },
  open: async (caSlot, keyType) => {
    const { openSlotSigner, tokenSlot } = await import('@certmill/signing');
    const signatureAlgorithm = signatureAlgorithmFor(keyType);
    const hash = hashOf(signatureAlgorithm) as 'sha256' | 'sha384' | 'sha512' | null;
    const signer = await openSlotSigner(tokenSlot({ ...caSlot, name: caSlot.token }), { hash });
    return {
      signatureAlgorithm,
      subjectPKInfoDer: signer.subjectPKInfoDer,
      // The module's answer is overwritten by the next one.
      sign: (bytes) => Uint8Array.from(signer.sign(bytes, { batchId: '', index: 0 })),
    };
  },
};

const slotSchema = z.strictObject({
  /** For people: it stands in sign's configuration. */
  name: z.string().min(1).max(63).optional(),
  module: z.string().min(1),
  token: z.string().min(1).max(32),
  keyLabel: z.string().min(1).max(255),
  pinFile: z.string().min(1),
});
const maxSlotCharacters = 64 * 1024;

/** A slot as sign's configuration has it, in a YAML file of its own. INVALID_INPUT, CONFIG_INVALID. */
export async function readSlotFile(file: string): Promise<Omit<CaSlot, 'keyId'>> {
  const { parseYaml } = await import('@certmill/domain/yaml-files');
  const { checkPinFile } = await import('@certmill/signing');
  const { module, token, keyLabel, pinFile } = parseYaml(await readText(file), {
    fileName: file,
    kind: 'slot',
    code: 'INVALID_INPUT',
    maxCharacters: maxSlotCharacters,
    schema: slotSchema,
  });
  checkPinFile(pinFile);
  return { module: resolve(module), token, keyLabel, pinFile: resolve(pinFile) };
}
