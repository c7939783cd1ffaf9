import { CertmillError } from '@certmill/domain';
import type { ServingIssuer } from '@certmill/trust';
import { signingIssuers } from './signing-issuers.js';

/** Of an issuer what is looked at here. */
function anIssuer(overrides: Partial<ServingIssuer>): ServingIssuer {
  const issuer = { name: 'factory', chainDer: [], keyFile: '/data/ca/factory/key.pem' };
  return { ...issuer, ...overrides } as unknown as ServingIssuer;
}
const only = (issuer: ServingIssuer) => ({ all: [issuer], find: () => issuer });
const slot = {
  ...{ module: '/usr/lib/hsm.so', token: 'vault', keyLabel: 'factory', keyId: '0a0b' },
  pinFile: '/run/secrets/vault.pin',
};

describe('the slots of an issuer', () => {
  it('are the token that its folder names, where the configuration names none', () => {
    const [issuer] = signingIssuers(only(anIssuer({ slot })), {}, undefined).all;
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
    const [issuer] = signingIssuers(only(anIssuer({ slot })), config, undefined).all;
    expect(issuer?.slots.map(({ name }) => name)).toEqual(['east']);
  });

  it('need a passphrase where neither names a token', () => {
    expect(() => signingIssuers(only(anIssuer({})), {}, undefined)).toThrow('has no slots');
  });

  it('stay the same object while the issuer does, and one without any is refused alone', () => {
    const issuers = [anIssuer({ slot })];
    const find = (name: string) => issuers.find((issuer) => issuer.name === name);
    const signing = signingIssuers({ all: issuers, find }, {}, undefined);
    expect(signing.find('factory')).toBe(signing.all[0]);
    expect(signing.find('late')).toBeUndefined();
    issuers.push(anIssuer({ name: 'late' }));
    expect(() => signing.find('late')).toThrow(CertmillError);
    expect(() => signing.find('late')).toThrow('issuers.late has no slots');
    issuers[0] = anIssuer({ slot });
    expect(signing.find('factory')).not.toBe(signing.all[0]);
  });
});
