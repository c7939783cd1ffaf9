import { generateKeyPairSync } from 'node:crypto';
import { combine } from 'shamir-secret-sharing';
import { type Custodian, type CustodianSecret, openShare, parseKeyShare } from './key-share.js';
import {
  parseSealedSecret,
  recoverSecret,
  type SealedSecret,
  splitSecret,
} from './split-secret.js';

const secret = Buffer.from('the private key, as PKCS#8');
const dave = generateKeyPairSync('x25519');
const erin = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const pemOf = (pair: typeof dave): string =>
  pair.publicKey.export({ format: 'pem', type: 'spki' }).toString();
const custodians: readonly Custodian[] = [
  { name: 'alice', lock: { passphrase: 'a horse' } },
  { name: 'dave', lock: { encryptionKey: pemOf(dave) } },
  { name: 'erin', lock: { encryptionKey: pemOf(erin) } },
];
const secrets: Readonly<Record<string, CustodianSecret>> = {
  alice: { passphrase: 'a horse' },
  dave: { privateKey: dave.privateKey },
  erin: { privateKey: erin.privateKey },
};
const splitNow = (ceremonyId = 'aa'.repeat(16)): ReturnType<typeof splitSecret> =>
  splitSecret(secret, { purpose: 'key root', ceremonyId, threshold: 2, custodians });

type Split = Awaited<ReturnType<typeof splitSecret>>;
const recover = (
  sealed: SealedSecret,
  shares: readonly Split['shares'][number][],
  opens = secrets,
): Promise<Uint8Array> =>
  recoverSecret(
    sealed,
    shares.map((share) => ({ share, secret: opens[share.custodian] ?? { passphrase: '' } })),
  );

let made: Split;
beforeAll(async () => {
  made = await splitNow();
});
const shareOf = (name: string): Split['shares'][number] => {
  const share = made.shares.find(({ custodian }) => custodian === name);
  if (share === undefined) throw new Error(name);
  return share;
};

describe('a split secret', () => {
  it.each([
    ['alice', 'dave'],
    ['alice', 'erin'],
    ['dave', 'erin'],
    ['alice', 'dave', 'erin'],
  ])('comes back from %s, %s', async (...names) => {
    expect(Buffer.from(await recover(made.sealed, names.map(shareOf)))).toEqual(secret);
  });

  it('comes back from what was written to files', async () => {
    const files = ['alice', 'dave'].map((name) => JSON.stringify(shareOf(name)));
    const sealed = parseSealedSecret(JSON.stringify(made.sealed), 'key.sealed.json');
    const shares = files.map((text) => parseKeyShare(text, 'share.json'));
    expect(Buffer.from(await recover(sealed, shares))).toEqual(secret);
  });

  it('does not come back from one share, not even by the library alone', async () => {
    await expect(recover(made.sealed, [shareOf('alice')])).rejects.toMatchObject({
      code: 'FORBIDDEN',
      message: '1 of 2 shares of key root are there; custodians: alice, dave, erin',
    });
    const { sealed, shares } = await splitSecret(secret, {
      ...{ purpose: 'key root', ceremonyId: 'aa'.repeat(16), threshold: 3, custodians },
    });
    const points = await Promise.all(
      shares.slice(1).map((share) => openShare(share, secrets[share.custodian]!)),
    );
    const wrongKey = await combine(points);
    expect(wrongKey).toHaveLength(32);
    await expect(recover({ ...sealed, threshold: 2 }, shares.slice(1))).rejects.toThrow('damaged');
  });

  it('holds nothing of the secret in any file', () => {
    const text = JSON.stringify(made);
    expect(text).not.toContain(secret.toString('base64').slice(0, 20));
    expect(text).not.toContain(secret.toString('hex'));
  });

  it('refuses a share of another ceremony, and names both', async () => {
    const other = await splitNow('bb'.repeat(16));
    const stranger = other.shares.find(({ custodian }) => custodian === 'dave')!;
    await expect(recover(made.sealed, [shareOf('alice'), stranger])).rejects.toThrow(
      `the share of dave belongs to another secret: key root of ceremony ${'bb'.repeat(16)}, ` +
        `wanted is key root of ceremony ${'aa'.repeat(16)}`,
    );
  });

  it('refuses a share of another key of the same ceremony', async () => {
    const other = await splitNow();
    const stranger = other.shares.find(({ custodian }) => custodian === 'dave')!;
    await expect(recover(made.sealed, [shareOf('alice'), stranger])).rejects.toThrow(
      'belongs to another secret',
    );
  });

  it('refuses two shares of one custodian', async () => {
    await expect(recover(made.sealed, [shareOf('dave'), shareOf('dave')])).rejects.toThrow(
      'a custodian has brought two shares',
    );
  });

  it('says whose passphrase or key is wrong', async () => {
    const both = [shareOf('alice'), shareOf('dave')];
    const wrong = { ...secrets, alice: { passphrase: 'a mule' } };
    await expect(recover(made.sealed, both, wrong)).rejects.toThrow(
      'the share of alice does not open: wrong passphrase',
    );
    const swapped = { ...secrets, dave: { privateKey: erin.privateKey } };
    await expect(recover(made.sealed, both, swapped)).rejects.toThrow('does not fit the share of');
    const another = generateKeyPairSync('x25519');
    const stolen = { ...secrets, dave: { privateKey: another.privateKey } };
    await expect(recover(made.sealed, both, stolen)).rejects.toThrow('wrong private key');
  });

  it('says that a share file is damaged, whichever byte of it', () => {
    const text = JSON.stringify(shareOf('alice'));
    for (let at = 0; at < text.length; at += 7) {
      const other = text[at] === '0' ? '1' : '0';
      const damaged = text.slice(0, at) + other + text.slice(at + 1);
      expect(() => parseKeyShare(damaged, 'alice.json')).toThrow(
        /alice\.json(: | is no key share)/,
      );
    }
  });

  it('finds a share that was put in the place of the one handed out', async () => {
    const commitments = made.sealed.custodians.map((one) => ({
      ...one,
      commitment: one.name === 'dave' ? '0'.repeat(64) : one.commitment,
    }));
    await expect(
      recover({ ...made.sealed, custodians: commitments }, [shareOf('alice'), shareOf('dave')]),
    ).rejects.toThrow('the share of dave is not the one that was handed out');
  });

  it('finds a sealed file that was changed', async () => {
    const sealed = { ...made.sealed, purpose: 'key other' };
    await expect(recover(sealed, [shareOf('alice'), shareOf('dave')])).rejects.toThrow(
      'the sealed key other is damaged',
    );
  });

  it.each([1, 4])('is not made with a threshold of %d among 3', async (threshold) => {
    const options = { purpose: 'key root', ceremonyId: 'aa'.repeat(16), threshold, custodians };
    await expect(splitSecret(secret, options)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });
});
