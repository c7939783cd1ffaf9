import 'reflect-metadata';
import { X509Certificate } from 'node:crypto';
import { X509Certificate as PeculiarCertificate } from '@peculiar/x509';
import { deviceKeys, issueMixedChains } from './mixed-chains.js';

describe.each([
  ['ec-p384', { a: 'ml-dsa-44', b: 'ml-dsa-65', c: 'ml-dsa-87' }],
  ['ml-dsa-87', { a: 'ec-p256', b: 'ml-dsa-87', c: 'ed25519' }],
] as const)('chains under a root of %s and issuers of every kind', (rootKey, issuers) => {
  it('are issued for classical and post-quantum keys, and verify with OpenSSL and @peculiar/x509', async () => {
    // 160 requests have 660 KiB, more than a chunk takes, which could be 256 requests of P-256.
    const perKey = 40;
    const { chains, rejected } = await issueMixedChains(rootKey, issuers, perKey);
    const count = Object.keys(issuers).length * deviceKeys.length * perKey + 3;
    expect(chains).toHaveLength(count);
    expect(rejected).toMatchObject(
      Object.keys(issuers).map((name) => ({
        deviceId: `${name}-forged`,
        code: 'CSR_POP_INVALID',
      })),
    );
    expect(Math.max(...chains.map(({ chunk }) => chunk))).toBeGreaterThanOrEqual(1);
    const types = new Set<string | undefined>();
    for (const { deviceId, device, issuer, root } of chains) {
      const [leaf, middle, top] = [device, issuer, root].map((der) => new X509Certificate(der));
      expect(leaf!.subject).toBe(`CN=${deviceId}`);
      expect([leaf!.checkIssued(middle!), middle!.checkIssued(top!)]).toEqual([true, true]);
      expect(leaf!.verify(middle!.publicKey)).toBe(true);
      expect(middle!.verify(top!.publicKey)).toBe(true);
      types.add(leaf!.publicKey.asymmetricKeyType);
    }
    expect([...types].sort()).toEqual(['ec', 'ml-dsa-44', 'ml-dsa-65', 'ml-dsa-87']);
    for (const { device, issuer, root } of chains.slice(0, deviceKeys.length * perKey)) {
      const [leaf, middle, top] = [device, issuer, root].map(
        (der) => new PeculiarCertificate(Uint8Array.from(der)),
      );
      expect(await leaf!.verify({ publicKey: middle!.publicKey, signatureOnly: true })).toBe(true);
      expect(await middle!.verify({ publicKey: top!.publicKey, signatureOnly: true })).toBe(true);
    }
  });
});
