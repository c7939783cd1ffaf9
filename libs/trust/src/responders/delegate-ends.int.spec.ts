import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pemEncode } from '@certmill/der';
import { CertmillError, type DelegateEnd } from '@certmill/domain';
import { authorityProfiles } from '@certmill/domain/profile-files';
import { createHierarchy } from '../hierarchy/create-hierarchy.js';
import { issueDelegate } from '../hierarchy/issue-delegate.js';
import { openAuthority } from '../hierarchy/open-authority.js';
import { DelegateEnds, type DelegatePlaces, keepDelegate } from './delegate-ends.js';

const passphrase = 'only for this test';
const dayMs = 86_400_000;
const beginMs = Math.floor(Date.now() / 1_000) * 1_000;

/** Responders live for two weeks, signers of CRLs for 90 days; needs openssl on the PATH. */
describe('the delegates of CAs that people make', () => {
  let made: string;
  let folder: string;
  let responders: string;
  let day: number;
  let issuerEndMs: number;

  beforeAll(async () => {
    made = mkdtempSync(join(tmpdir(), 'certmill-delegate-ends-'));
    const common = { directory: made, passphrase, nowMs: beginMs };
    ({ notAfterMs: issuerEndMs } = await createHierarchy({ ...common, name: 'line' }));
    for (const name of ['eu', 'us']) {
      const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
      const files = ['-keyout', join(made, `${name}.key`), '-outform', 'DER'];
      const request = ['-subj', `/CN=${name}`, '-out', join(made, `${name}.csr`)];
      execFileSync('openssl', ['req', '-new', ...key, ...files, ...request], { stdio: 'ignore' });
    }
  });
  afterAll(() => rmSync(made, { recursive: true, force: true }));
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'certmill-delegate-ends-'));
    cpSync(made, folder, { recursive: true });
    responders = join(folder, 'ocsp-responders');
    mkdirSync(responders);
    day = 0;
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** Certified on a day, some of which are to come. */
  async function delegate(
    subject: 'eu' | 'us',
    onDay: number,
    { issuer = 'line', profile = 'ocsp-responder' } = {},
  ): Promise<Uint8Array> {
    const nowMs = beginMs + onDay * dayMs;
    return issueDelegate({
      profile: authorityProfiles().get(profile)!,
      authority: await openAuthority({ directory: folder, name: issuer, passphrase }, nowMs),
      requestDer: readFileSync(join(folder, `${subject}.csr`)),
      nowMs,
    });
  }
  const keep = async (...asked: Parameters<typeof delegate>): Promise<void> =>
    keepDelegate(folder, asked[2]?.issuer ?? 'line', await delegate(...asked));
  const ends = (overrides: Partial<DelegatePlaces> = {}): DelegateEnds =>
    new DelegateEnds({
      dataDirectory: folder,
      responders,
      names: { all: [{ name: 'line' }], namesAbove: () => ['root'] },
      certifies: (name) => name === 'line',
      caOf: () => ({ notAfterMs: issuerEndMs }),
      clock: { nowMs: () => beginMs + day * dayMs },
      ...overrides,
    });
  const byEnd = (left: DelegateEnd, right: DelegateEnd): number =>
    left.notAfterMs - right.notAfterMs;
  const dayOf = (ms: number): number => Math.ceil((ms - beginMs) / dayMs);
  /** Who it is, the day of the end, and whether people are to make the next one. */
  const listed = async (): Promise<readonly string[]> =>
    [...(await ends().list(['line']))]
      .sort(byEnd)
      .map(({ subject, issuer, notAfterMs, toReplace }) => {
        return `${subject} of ${issuer} until ${String(dayOf(notAfterMs))}${toReplace ? ' to replace' : ''}`;
      });
  const firstEndDay = async (): Promise<number | undefined> => {
    const endMs = await ends().firstEndMs();
    return endMs === undefined ? undefined : dayOf(endMs);
  };

  it('are to be replaced until another one of the subject is in force that lasts longer', async () => {
    expect([await listed(), await firstEndDay()]).toEqual([[], undefined]);
    await keep('eu', 0);
    expect(await listed()).toEqual(['CN=eu of line until 14 to replace']);
    // Made ahead, by a clock that is ahead, say: until it begins it answers nobody.
    await keep('eu', 10);
    expect(await listed()).toEqual(['CN=eu of line until 14 to replace', 'CN=eu of line until 24']);
    expect(await firstEndDay()).toBe(14);
    day = 11;
    expect(await listed()).toEqual(['CN=eu of line until 24 to replace']);
    expect(await firstEndDay()).toBe(24);
    day = 30;
    expect(await listed()).toEqual(['CN=eu of line until 24 to replace']);
  });

  it('are told where a CA cannot be judged now: its CRL is damaged', async () => {
    await keep('eu', 0);
    const damaged = (): never => {
      throw new CertmillError('FAULT_STORE_CORRUPT', 'ca-crls/root.pem is damaged');
    };
    const judged = ends({ certifies: damaged, caOf: damaged });
    expect(await judged.list(['line'])).toMatchObject([{ subject: 'CN=eu', toReplace: true }]);
    expect(dayOf((await judged.firstEndMs()) ?? 0)).toBe(14);
    const broken = (): never => {
      throw new RangeError('not this');
    };
    await expect(ends({ certifies: broken }).list(['line'])).rejects.toThrow(RangeError);
  });

  it('count each before they end, and once they have none that another one follows, whoever that is', async () => {
    await keep('eu', 0);
    await keep('us', 5);
    await keep('us', 5, { profile: 'crl-signer' });
    day = 6;
    expect(await listed()).toEqual([
      'CN=eu of line until 14 to replace',
      'CN=us of line until 19 to replace',
      'CN=us of line until 95 to replace',
    ]);
    // Nobody is told for ever of a responder that has another name now, nor is a signer of CRLs one.
    day = 16;
    expect(await listed()).toEqual([
      'CN=us of line until 19 to replace',
      'CN=us of line until 95 to replace',
    ]);
    day = 20;
    expect(await firstEndDay()).toBe(19);
  });

  it('are told of as the folder of responders has them, whatever was made and not brought there', async () => {
    const der = await delegate('eu', 0, { issuer: 'root' });
    await keepDelegate(folder, 'root', der);
    writeFileSync(join(responders, 'root.pem'), pemEncode('CERTIFICATE', der));
    await keep('eu', 10, { issuer: 'root' });
    day = 16;
    expect(await listed()).toEqual([
      'CN=eu of root until 14 to replace',
      'CN=eu of root until 24 to replace',
    ]);
    expect(await firstEndDay()).toBe(14);
  });

  it('leave out what the service renews itself', async () => {
    const der = await delegate('eu', 0);
    writeFileSync(join(responders, 'line.pem'), pemEncode('CERTIFICATE', der));
    expect(await ends().list(['line'])).toMatchObject([{ renewsItself: true, toReplace: false }]);
    expect(await firstEndDay()).toBeUndefined();
    const elsewhere = ends({ certifies: () => false });
    expect(await elsewhere.list(['line'])).toMatchObject([{ toReplace: true }]);
    expect(await elsewhere.firstEndMs()).toBeGreaterThan(beginMs);
  });

  it.each([
    ['has ended', { notAfterMs: beginMs - 1 }],
    ['ends when they do', { notAfterMs: 0 }],
    [
      'is revoked',
      {
        notAfterMs: beginMs + 400 * dayMs,
        revoked: { revokedAtMs: beginMs, reason: 'superseded' as const },
      },
    ],
  ])('are not to be replaced where their CA %s', async (_, ca) => {
    await keep('eu', 0);
    const [{ notAfterMs } = { notAfterMs: 0 }] = await ends().list(['line']);
    const over = ends({ caOf: () => ({ ...ca, notAfterMs: ca.notAfterMs || notAfterMs }) });
    expect(await over.list(['line'])).toMatchObject([{ toReplace: false }] as DelegateEnd[]);
    expect(await over.firstEndMs()).toBeUndefined();
    // Nobody knows of the CA: in doubt it goes on.
    expect(await ends({ caOf: () => undefined }).firstEndMs()).toBe(notAfterMs);
  });

  it('end with their CA at the latest', async () => {
    const lastDay = Math.floor((issuerEndMs - beginMs) / dayMs) - 3;
    await keep('eu', lastDay);
    day = lastDay;
    expect(await ends().list(['line'])).toMatchObject([
      { notAfterMs: issuerEndMs, toReplace: false },
    ]);
  });
});
