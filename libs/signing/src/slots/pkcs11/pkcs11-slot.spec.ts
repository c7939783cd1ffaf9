import { pkcs11Slot } from './pkcs11-slot.js';

const options = {
  name: 'hsm-1',
  moduleFile: '/opt/hsm/module.so',
  tokenLabel: 'factory',
  pinFile: '/run/secrets/pin',
};

describe('pkcs11Slot', () => {
  it('is data that names where things are', () => {
    const slot = pkcs11Slot({ ...options, keyLabel: 'issuing', keyId: Buffer.from([0x0a, 0xff]) });
    expect(structuredClone(slot)).toEqual(slot);
    expect(slot.settings).toMatchObject({
      moduleFile: '/opt/hsm/module.so',
      tokenLabel: 'factory',
      pinFile: '/run/secrets/pin',
      keyLabel: 'issuing',
      keyIdHex: '0aff',
    });
  });

  it('shares its latches with the slots of its module and of its token, and no others', () => {
    const [module, login] = pkcs11Slot({ ...options, keyLabel: 'a' }).place.latches ?? [];
    expect(pkcs11Slot({ ...options, name: 'b', keyLabel: 'b' }).place.latches).toEqual([
      module,
      login,
    ]);
    const other =
      pkcs11Slot({ ...options, tokenLabel: 'other', keyLabel: 'a' }).place.latches ?? [];
    expect(other[0]).toBe(module);
    expect(other[1]).not.toBe(login);
  });

  it('must name a key', () => {
    expect(() => pkcs11Slot(options)).toThrow('slot hsm-1 names no key: by label, id or both');
  });
});
