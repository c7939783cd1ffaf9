import { previewLines, type CompromisePreview } from './preview.js';

const preview = (steps: CompromisePreview['steps']): string =>
  previewLines({
    ...{ state: 'dry-run', name: 'leave-old', issuer: 'old', successor: 'new', steps },
    ...{ reason: 'cACompromise', deviceReason: 'superseded', isBegun: false },
  }).join('\n');

const toDo = { state: 'to do', does: 'does it' } as const;

describe('what a dry run of ca compromise tells people', () => {
  it('is in words, and names no field', () => {
    const text = preview([
      { ...toDo, step: 'successor', would: { isThere: false, under: 'root', isKeyAtHand: true } },
      { ...toDo, step: 'close', would: { orders: 2, open: 1 } },
      { ...toDo, step: 'drain', would: { inFlight: 0, deadLettered: 3 } },
      {
        ...toDo,
        step: 'reissue',
        would: { idevid: 20_000, ldevid: 1 },
        left: { refused: 2, onHold: 1, replacedInVain: 3 },
      },
      { ...toDo, step: 'revoke', would: { revoked: 20_000, before: 1, pending: 0 } },
      { ...toDo, step: 'crls', would: { crls: 4, behind: 0 } },
      { ...toDo, step: 'revoke-ca', would: { certificates: 1, elsewhere: 1 } },
      { ...toDo, step: 'parent-crl', would: { isKeyAtHand: false } },
    ]);
    expect(text.split('\n').slice(1, 9)).toEqual([
      '1. successor: does it (it is made under root; its key is at hand)',
      '2. close: does it (2 orders, 1 open)',
      '3. drain: does it (0 requests in flight, 3 dead-lettered)',
      '4. reissue: does it (20,000 certificates of profile idevid, 1 certificate of profile ldevid, ' +
        '2 devices refused: not on the allow-list, 1 device on hold, without a new one, ' +
        '3 devices with another one that is no good, without a new one)',
      '5. revoke: does it (20,000 certificates; 1 revoked before, 0 not issued yet)',
      '6. crls: does it (4 full CRLs, 0 behind)',
      '7. revoke-ca: does it (1 certificate of the CA, 1 signed by CAs that are elsewhere)',
      '8. parent-crl: does it (the parent: its key is elsewhere: files are carried)',
    ]);
    expect(text).not.toMatch(/is[A-Z]|true|false|[a-z][A-Z]/);
  });

  it('names files that are not revoked with the CA, and those that nobody can read', () => {
    const would = { certificates: 2, elsewhere: 0, others: ['a.pem', 'b.pem'], unread: ['c.pem'] };
    expect(preview([{ ...toDo, step: 'revoke-ca', would }])).toContain(
      '(2 certificates of the CA; of another name, which stay: a.pem, b.pem; cannot be read: c.pem)',
    );
  });

  it('says what becomes of requests on their way where the CA is revoked first', () => {
    const would = { inFlight: 12, deadLettered: 0, mayBeTurnedAway: 12 };
    expect(preview([{ ...toDo, step: 'drain', would }])).toMatch(
      /\(12 requests in flight, 0 dead-lettered; .* no certificate .*before the CA is revoked\)$/m,
    );
  });

  it('says that a step is done, or that a successor is there or not wanted', () => {
    const text = preview([
      { step: 'close', state: 'done', does: 'does it' },
      { ...toDo, step: 'successor', would: { isThere: true } },
      { ...toDo, step: 'successor', would: {} },
    ]);
    expect(text).toMatch(/^1\. close: does it \(done\)$/m);
    expect(text).toMatch(/\(it is there already\)$/m);
    expect(text).toMatch(/\(none is wanted\)$/m);
  });
});
