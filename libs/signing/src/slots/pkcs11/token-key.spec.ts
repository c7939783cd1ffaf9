import { generateKeyPairSync } from 'node:crypto';
import {
  CKA_CLASS,
  CKA_ID,
  CKA_KEY_TYPE,
  CKA_PARAMETER_SET,
  CKA_VALUE,
  CKK_ML_DSA,
  CKO_PRIVATE_KEY,
  CKO_PUBLIC_KEY,
  CKR_ATTRIBUTE_TYPE_INVALID,
} from './cryptoki.js';
import type { Cryptoki } from './load-cryptoki.js';
import { findKey } from './token-key.js';

type TokenObject = ReadonlyMap<number, Buffer>;

const ulong = (value: number): Buffer => {
  const octets = Buffer.alloc(8);
  octets.writeUInt32LE(value);
  return octets;
};

/** A token of PKCS#11 3.2 with these objects; `asked` gets every attribute that is read. */
function tokenOf(objects: readonly TokenObject[], asked: string[] = []): Cryptoki {
  let found: number[] = [];
  const valueOf = (value: unknown): Buffer =>
    typeof value === 'number' ? ulong(value) : Buffer.from(value as Buffer);
  return {
    C_FindObjectsInit: (_: unknown, template: readonly { type: number; value: unknown }[]) => {
      found = objects.flatMap((object, index) =>
        template.every(({ type, value }) => object.get(type)?.equals(valueOf(value)) === true)
          ? [index]
          : [],
      );
    },
    C_FindObjects: () => found.map((index) => Buffer.of(index)),
    C_FindObjectsFinal: () => undefined,
    C_GetAttributeValue: (_: unknown, handle: Buffer, [wanted]: readonly [{ type: number }]) => {
      asked.push(`${String(handle[0])}:${wanted.type.toString(16)}`);
      const value = objects[handle[0] ?? 0]?.get(wanted.type);
      if (value !== undefined) return [{ type: wanted.type, value }];
      throw Object.assign(new Error('none'), { code: CKR_ATTRIBUTE_TYPE_INVALID });
    },
  } as unknown as Cryptoki;
}

const session = Buffer.alloc(8);
const id = Buffer.of(1);

describe('findKey', () => {
  const { publicKey } = generateKeyPairSync('ml-dsa-65');
  const der = publicKey.export({ format: 'der', type: 'spki' });
  const object = (kind: number, value: Buffer): TokenObject =>
    new Map([
      [CKA_CLASS, ulong(kind)],
      [CKA_ID, id],
      [CKA_KEY_TYPE, ulong(CKK_ML_DSA)],
      [CKA_PARAMETER_SET, ulong(2)],
      [CKA_VALUE, value],
    ]);
  const secret = object(CKO_PRIVATE_KEY, Buffer.alloc(4_032, 0x5e));
  const open = object(CKO_PUBLIC_KEY, der.subarray(-1_952));

  it('takes an ML-DSA key from its public object and never asks for the secret value', () => {
    const asked: string[] = [];
    const key = findKey(tokenOf([secret, open], asked), session, { keyIdHex: '01' });
    expect(key.kind).toBe('ml-dsa');
    expect(Buffer.from(key.subjectPKInfoDer)).toEqual(der);
    expect(asked).not.toContain(`0:${CKA_VALUE.toString(16)}`);
  });

  it('refuses an ML-DSA key whose public object is not there', () => {
    const asked: string[] = [];
    const finding = (): unknown => findKey(tokenOf([secret], asked), session, { keyIdHex: '01' });
    expect(finding).toThrow('no public key beside the private key with id 01');
    expect(asked).not.toContain(`0:${CKA_VALUE.toString(16)}`);
  });
});
