import type { ServingIssuer } from '@certmill/trust';
import { signingIssuers } from './signing-issuers.js';

/** Of an issuer what is looked at here. */
function anIssuer(overrides: Partial<ServingIssuer>): ServingIssuer {
  const issuer = { name: 'factory', chainDer: [], keyFile: '/data/ca/factory/key.pem' };
  return { ...issuer, ...overrides } as unknown as ServingIssuer;
}
const slot = {
  ...{ module: '/usr/lib/hsm.so', token: 'vault', keyLabel: 'factory', keyId: '0a0b' },
  pinFile: '/run/secrets/vault.pin',
};

describe('the slots of an issuer', () => {
  it('are the token that its folder names, where the configuration names none', () => {
    const [issuer] = signingIssuers([anIssuer({ slot })], {}, undefined);
    expect(issuer?.slots).toMatchObject([
      {
        name: 'factory-token',
        place: { name: 'vault' },
        settings: {
          ...{ moduleFile: slot.module, tokenLabel: 'vault', pinFile: slot.pinFile },
          ...{ keyLabel: 'factory', keyIdHex: '0a0b' },
        },
      },
    ]);
  });

  it('are those of the configuration before that', () => {
    const slots = [{ ...slot, name: 'east', token: 'east' }];
    const config = { issuers: { factory: { tenants: 'all' as const, slots } } };
    const [issuer] = signingIssuers([anIssuer({ slot })], config, undefined);
    expect(issuer?.slots.map(({ name }) => name)).toEqual(['east']);
  });

  it('need a passphrase where neither names a token', () => {
    expect(() => signingIssuers([anIssuer({})], {}, undefined)).toThrow('has no slots');
  });
});
