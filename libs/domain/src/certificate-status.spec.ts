import { createHash } from 'node:crypto';
import {
  caIssuersUriOf,
  crlReasonOf,
  crlReasons,
  crlShardOf,
  crlUriOf,
  ocspUriOf,
  revocationReasons,
  statusAddresses,
} from './certificate-status.js';

const batchIds = Array.from({ length: 500 }, (_, i) =>
  createHash('sha256').update(String(i)).digest('hex').slice(0, 26),
);

describe('crlShardOf', () => {
  it('keeps 1,024 neighbours of a batch together and puts the next ones into the next shard', () => {
    const [batchId = ''] = batchIds;
    const shard = crlShardOf(batchId, 0, 64);
    expect(crlShardOf(batchId, 1_023, 64)).toBe(shard);
    expect(crlShardOf(batchId, 1_024, 64)).toBe((shard + 1) % 64);
  });

  it('spreads batches over all shards', () => {
    const used = new Set(batchIds.map((batchId) => crlShardOf(batchId, 0, 16)));
    expect(used.size).toBe(16);
    expect(Math.min(...used)).toBe(0);
    expect(Math.max(...used)).toBe(15);
  });

  it('is 0 where there are no shards, or one', () => {
    for (const batchId of batchIds.slice(0, 5)) {
      expect(crlShardOf(batchId, 5_000_000, 0)).toBe(0);
      expect(crlShardOf(batchId, 5_000_000, 1)).toBe(0);
    }
  });
});

describe('statusAddresses', () => {
  it('makes the addresses that stand in certificates', () => {
    const addresses = statusAddresses('http://status.example.com/pki/', 16);
    expect(crlUriOf(addresses, 'factory', 7)).toBe(
      'http://status.example.com/pki/crl/factory/7.crl',
    );
    expect(ocspUriOf(addresses)).toBe('http://status.example.com/pki/ocsp');
    expect(caIssuersUriOf(addresses, 'factory')).toBe(
      'http://status.example.com/pki/ca/factory.cer',
    );
  });

  it.each([
    ['status.example.com', 1],
    ['https://status.example.com', 1],
    ['ldap://status.example.com', 1],
    ['http://user:secret@status.example.com', 1],
    ['http://status.example.com/?a=b', 1],
    ['http://status.example.com/#a', 1],
    ['http://status.example.com', -1],
    ['http://status.example.com', 4_097],
    ['http://status.example.com', 1.5],
  ])('refuses %s with %d shards', (uri, shards) => {
    expect(() => statusAddresses(uri, shards)).toThrow(/^the status address /);
    expect(() => statusAddresses(uri, shards)).not.toThrow(/secret/);
  });
});

describe('reasons', () => {
  it('are those of RFC 5280 5.3.1, and none but removeFromCRL is left out of revocations', () => {
    expect(crlReasons).toEqual({
      unspecified: 0,
      keyCompromise: 1,
      cACompromise: 2,
      affiliationChanged: 3,
      superseded: 4,
      cessationOfOperation: 5,
      certificateHold: 6,
      removeFromCRL: 8,
      privilegeWithdrawn: 9,
      aACompromise: 10,
    });
    expect(revocationReasons).toHaveLength(9);
    expect(crlReasonOf(7)).toBeUndefined();
    expect(crlReasonOf(9)).toBe('privilegeWithdrawn');
  });
});
