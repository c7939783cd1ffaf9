import { X509Certificate } from 'node:crypto';
import { fallenCaOf, type Authorities } from './authorities.js';
import { aCa } from './testing/a-ca.js';

const nowMs = Date.UTC(2026, 5, 30);

describe('the CA that has fallen above certificates', () => {
  let authorities: Authorities;
  let names: Readonly<Record<'ended' | 'endedRoot', string>>;
  beforeAll(async () => {
    const root = await aCa('root', new Date('9999-12-31T23:59:59Z'));
    const endedRoot = await aCa('ended root', new Date(nowMs - 1_000));
    const ended = await aCa('ended', new Date(nowMs - 1_000));
    const lasting = await aCa('lasting', new Date(nowMs));
    const chains: Readonly<Record<string, readonly Uint8Array[]>> = {
      'in force': [lasting, root],
      revoked: [ended, root],
      ended: [ended, root],
      'under what has ended': [lasting, endedRoot],
      'ended under it': [ended, endedRoot],
    };
    authorities = {
      chainOf: (issuer) => chains[issuer],
      revocationOf: (issuer) =>
        issuer === 'revoked' ? { serialNumberHex: '01', reason: 'cACompromise' } : undefined,
    };
    const nameOf = (der: Uint8Array): string => new X509Certificate(der).fingerprint256;
    names = { ended: nameOf(ended), endedRoot: nameOf(endedRoot) };
  });

  test.each(['in force', 'unknown'])('is none where they are %s', (issuer) => {
    expect(fallenCaOf(authorities, issuer, nowMs)).toBeUndefined();
  });

  test('is the highest that is revoked or has ended', () => {
    expect(fallenCaOf(authorities, 'revoked', nowMs)).toBe('01');
    expect(fallenCaOf(authorities, 'ended', nowMs)).toBe(names.ended);
    expect(fallenCaOf(authorities, 'under what has ended', nowMs)).toBe(names.endedRoot);
    expect(fallenCaOf(authorities, 'ended under it', nowMs)).toBe(names.endedRoot);
  });
});
