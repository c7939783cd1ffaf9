import { copyFileSync, cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHierarchy, issuerPathsOf, loadIssuer, revokeAuthority } from '@certmill/trust';
import { authorityView, stateOf } from './ca-view.js';

describe('the state of a CA', () => {
  let made: string;
  let data: string;
  beforeAll(async () => {
    made = mkdtempSync(join(tmpdir(), 'certmill-ca-view-'));
    const options = { directory: made, passphrase: 'only for this test', nowMs: Date.now() };
    for (const name of ['line-1', 'line-2']) await createHierarchy({ ...options, name });
  });
  beforeEach(() => {
    data = mkdtempSync(join(tmpdir(), 'certmill-ca-view-'));
    cpSync(made, data, { recursive: true });
  });
  afterEach(() => rmSync(data, { recursive: true }));
  afterAll(() => rmSync(made, { recursive: true }));

  it('is ready where all is as it was written', async () => {
    const ca = await loadIssuer(data, 'line-1');
    expect(stateOf(ca)).toBe('ready');
    expect(authorityView(ca)).not.toHaveProperty('changed');
  });

  it.each(['chain', 'certificate'] as const)(
    "tells that the %s is another key's, without the passphrase",
    async (what) => {
      const file = (name: string): string => issuerPathsOf(data, name)[`${what}File`];
      copyFileSync(file('line-2'), file('line-1'));
      const ca = await loadIssuer(data, 'line-1');
      expect(stateOf(ca)).toBe(`${what}.pem was changed`);
      expect(authorityView(ca)).toHaveProperty('changed', `${what}.pem`);
    },
  );

  it('is revoked, before all else', async () => {
    const { chainDer } = await loadIssuer(data, 'line-1');
    await revokeAuthority({
      directory: data,
      parent: 'root',
      certificateDer: chainDer[0]!,
      reason: 'cACompromise',
      nowMs: Date.now(),
    });
    expect(stateOf(await loadIssuer(data, 'line-1'))).toBe('revoked (cACompromise)');
  });
});
