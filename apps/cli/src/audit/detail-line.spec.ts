import { detailLine } from './detail-line.js';

describe('the detail of an audit entry, for people', () => {
  it('is a line without JSON: lists of results are counted', () => {
    const steps = [{ step: 'close', state: 'done', facts: { orders: 3 } }, { step: 'drain' }];
    expect(
      detailLine({
        ...{ state: 'done', issuer: 'old', revoked: 3, isBegun: true },
        ...{ steps: JSON.stringify(steps), left: '[]', operations: '["a","b"]' },
      }),
    ).toBe(
      'state=done issuer=old revoked=3 isBegun=true steps=2 (see --json) left=none operations=a,b',
    );
  });

  it('says where an object is, or a list that was cut', () => {
    const cut = JSON.stringify([{ step: 'close' }]).slice(0, 12);
    expect(detailLine({ crl: '{"number":1}', steps: cut })).toBe(
      'crl=(see --json) steps=(see --json)',
    );
  });

  it('leaves other texts as they are', () => {
    expect(detailLine({ subject: 'C=DE, O=Example [1]', note: '' })).toBe(
      'subject=C=DE, O=Example [1] note=',
    );
  });
});
