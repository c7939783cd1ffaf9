import { revocationReasons } from './certificate-status.js';
import { changedStatus, type CertificateChange, type CertificateStatus } from './change-status.js';

const good: CertificateStatus = { state: 'good' };
const released: CertificateStatus = { state: 'good', releasedAtMs: 8 };
const held: CertificateStatus = { state: 'revoked', reason: 'certificateHold', atMs: 5 };
const revoked: CertificateStatus = { state: 'revoked', reason: 'superseded', atMs: 5 };
const compromised: CertificateStatus = { state: 'revoked', reason: 'keyCompromise', atMs: 5 };

const revoke = (reason: (typeof revocationReasons)[number]) =>
  ({ kind: 'revoke', reason, revokedAtMs: 9 }) as const;
const release: CertificateChange = { kind: 'release', releasedAtMs: 9 };

describe('a change of a status', () => {
  test.each([
    ['a good one is revoked', good, revoke('superseded'), 'superseded', 9],
    ['a good one is held', good, revoke('certificateHold'), 'certificateHold', 9],
    ['a released one is held again', released, revoke('certificateHold'), 'certificateHold', 9],
    ['a held one is revoked, as of its hold', held, revoke('keyCompromise'), 'keyCompromise', 5],
    [
      'the loss of its key stands in the place of another reason, as of the revocation',
      revoked,
      revoke('keyCompromise'),
      'keyCompromise',
      5,
    ],
  ] as const)('%s', (_, status, change, reason, atMs) => {
    const expected = { outcome: 'changed', status: { state: 'revoked', reason, atMs } };
    expect(changedStatus(status, change)).toEqual(expected);
  });

  test('a held one is released', () => {
    const expected = { outcome: 'changed', status: { state: 'good', releasedAtMs: 9 } };
    expect(changedStatus(held, release)).toEqual(expected);
  });

  test.each([
    ['the same reason again is no change', revoked, revoke('superseded'), 'unchanged'],
    ['the loss of its key again is no change', compromised, revoke('keyCompromise'), 'unchanged'],
    ['a hold again is no change', held, revoke('certificateHold'), 'unchanged'],
    ['a release again is no change', released, release, 'unchanged'],
    ['a revoked one gets no other reason', revoked, revoke('privilegeWithdrawn'), 'refused'],
    ['one whose key was lost gets no other', compromised, revoke('superseded'), 'refused'],
    ['one whose key was lost is not held', compromised, revoke('certificateHold'), 'refused'],
    ['a revoked one cannot be held', revoked, revoke('certificateHold'), 'refused'],
    ['a revoked one cannot be released', revoked, release, 'refused'],
    ['one that never was held cannot be released', good, release, 'refused'],
  ] as const)('%s', (_, status, change, outcome) => {
    expect(changedStatus(status, change)).toEqual({ outcome, status });
  });

  test('keeps the date of the loss of the key', () => {
    const change = { ...revoke('keyCompromise'), invalidityDateMs: 3 };
    expect(changedStatus(good, change).status).toMatchObject({ invalidityDateMs: 3 });
  });

  test('keeps the date that was told before, until another one is', () => {
    const told: CertificateStatus = { ...revoked, invalidityDateMs: 3 };
    const lost = revoke('keyCompromise');
    expect(changedStatus(told, lost).status).toMatchObject({ invalidityDateMs: 3 });
    const earlier = changedStatus(told, { ...lost, invalidityDateMs: 2 });
    expect(earlier.status).toMatchObject({ reason: 'keyCompromise', invalidityDateMs: 2 });
  });

  test.each(revocationReasons)('%s is a reason to revoke', (reason) => {
    expect(changedStatus(good, revoke(reason)).outcome).toBe('changed');
  });
});
