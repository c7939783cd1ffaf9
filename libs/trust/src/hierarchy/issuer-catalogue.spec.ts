import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { builtInProfiles, builtInProfileText, parseProfile } from '@certmill/domain/profile-files';
import type { Profile } from '@certmill/domain';
import { issuingPolicy, whyNoneIssues } from '../admission/issuing-policy.js';
import { closeIssuer } from './close-issuer.js';
import { createHierarchy } from './create-hierarchy.js';
import { distinguishedNameDer, parseDistinguishedName } from './distinguished-name.js';
import { type AuthorityWish, issueAuthority } from './issue-authority.js';
import { IssuerCatalogue, type KeylessIssuers } from './issuer-catalogue.js';
import { issuerPathsOf } from './issuer-paths.js';
import { loadIssuers } from './load-issuers.js';
import { rekeyAuthority } from './renew-authority.js';
import { revokeAuthority } from './revoke-authority.js';

const passphrase = 'only for this test';
const nowMs = Date.now();
const profile = builtInProfiles().get('tls-client') as Profile;

describe('IssuerCatalogue', () => {
  let data: string;
  let elapsedMs: number;
  beforeEach(async () => {
    elapsedMs = 0;
    data = mkdtempSync(join(tmpdir(), 'certmill-catalogue-'));
    const rootKeyType = 'ec-p256';
    await createHierarchy({ name: 'first', directory: data, passphrase, rootKeyType, nowMs });
  });
  afterEach(() => {
    rmSync(data, { recursive: true, force: true });
  });

  const open = async (
    configured?: { readonly first: { readonly tenants: 'all' } },
    keyless: KeylessIssuers = 'left-out',
  ) =>
    new IssuerCatalogue({
      dataDirectory: data,
      issuers: await loadIssuers(data),
      configured,
      keyless,
      elapsedMs: () => elapsedMs,
    });
  const issue = (name: string, overrides: Partial<AuthorityWish> = {}) =>
    issueAuthority(
      {
        name,
        directory: data,
        passphrase,
        subjectDer: distinguishedNameDer([{ type: 'commonName', value: name }]),
        keyType: 'ec-p256',
        pathLenConstraint: 0,
        ...overrides,
      },
      { directory: data, name: 'root', passphrase },
      nowMs,
    );

  it('sees an issuer that is added, where no configuration speaks of issuers', async () => {
    const [catalogue, configured] = [await open(), await open({ first: { tenants: 'all' } })];
    expect(catalogue.find('late')).toBeUndefined();
    await issue('late');
    expect(catalogue.find('late')?.name).toBe('late');
    expect(catalogue.all.map(({ name }) => name)).toEqual(['first', 'late']);
    expect(configured.find('late')).toBeUndefined();
    expect(catalogue.find('root')).toBeUndefined();
    expect(catalogue.find('../first')).toBeUndefined();
  });

  it('takes a folder that is being filled for none, until it is whole', async () => {
    const catalogue = await open();
    await issue('late');
    const { directory, chainFile } = issuerPathsOf(data, 'late');
    const [aside, chain] = [`${data}/aside`, readFileSync(chainFile, 'utf8')];
    renameSync(directory, aside);
    mkdirSync(directory);
    expect(catalogue.find('late')).toBeUndefined();
    rmSync(directory, { recursive: true });
    renameSync(aside, directory);
    const [own = ''] = chain.split(/(?<=-----END CERTIFICATE-----\n)/);
    for (const part of [chain.slice(0, 300), own]) {
      writeFileSync(chainFile, part);
      expect(catalogue.find('late')).toBeUndefined();
    }
    writeFileSync(chainFile, chain);
    expect(catalogue.find('late')?.name).toBe('late');
  });

  it('tells of an issuer without a key, which signs nothing until that is there', async () => {
    await issue('late');
    const { keyFile, directory } = issuerPathsOf(data, 'late');
    renameSync(keyFile, `${data}/aside`);
    const [left, told] = [await open(), await open(undefined, 'told-of')];
    renameSync(directory, `${data}/folder`);
    renameSync(`${data}/folder`, directory);
    expect(told.find('late')).toMatchObject({ name: 'late', isKeyAway: true });
    expect(left.find('late')?.isKeyAway).toBeUndefined();
    const clock = { nowMs: () => nowMs };
    const away = 'has its key elsewhere';
    expect(() => {
      told.assertSigns('late', nowMs);
    }).toThrow(away);
    const policy = issuingPolicy(told, clock);
    const order = { tenant: 'acme', orderId: 'o' };
    expect(policy.orderRefusal('late', order, profile)).toBe(away);
    expect(policy.standingOf('late', 'acme')).toEqual({
      ...{ takesOrders: false, takesUploads: false, refusal: away },
    });
    expect(policy.chainOf('late')).toHaveLength(2);
    elapsedMs += 1_000;
    const before = told.find('late');
    elapsedMs += 1_000;
    expect(told.find('late')).toBe(before);
    renameSync(`${data}/aside`, keyFile);
    elapsedMs += 1_000;
    told.assertSigns('late', nowMs);
    expect(told.find('late')).toMatchObject({ hasKey: true, isKeyAway: false });
  });

  it('looks for no more than twenty strange names a second', async () => {
    const catalogue = await open();
    await issue('late');
    for (let index = 0; index < 20; index += 1) catalogue.find(`strange-${String(index)}`);
    expect(catalogue.find('late')).toBeUndefined();
    elapsedMs += 1_001;
    expect(catalogue.find('late')?.name).toBe('late');
  });

  it('sees a revocation a second later, and keeps the others as they are', async () => {
    await issue('second');
    const catalogue = await open();
    const [first, second] = [catalogue.find('first'), catalogue.find('second')];
    await revokeAuthority({
      directory: data,
      parent: 'root',
      certificateDer: second?.chainDer[0] ?? new Uint8Array(),
      reason: 'keyCompromise',
      nowMs,
    });
    elapsedMs += 1_000;
    expect(catalogue.find('second')?.revoked?.reason).toBe('keyCompromise');
    expect(catalogue.find('first')).toBe(first);
    expect(() => {
      catalogue.assertSigns('second', nowMs);
    }).toThrow(/second is revoked: CN=second, keyCompromise/);
    expect(() => {
      catalogue.assertSigns('first', nowMs);
    }).not.toThrow();
  });

  it('sees a second later that the key is lost, where another reason was known before', async () => {
    await issue('second');
    const catalogue = await open();
    const certificateDer = catalogue.find('second')?.chainDer[0] ?? new Uint8Array();
    for (const reason of ['superseded', 'keyCompromise'] as const) {
      await revokeAuthority({ directory: data, parent: 'root', certificateDer, reason, nowMs });
      elapsedMs += 1_000;
      expect(catalogue.find('second')?.revoked?.reason).toBe(reason);
    }
    const known = catalogue.find('second');
    elapsedMs += 1_000;
    expect(catalogue.find('second')).toBe(known);
    // What is forgotten in the folder stays known.
    rmSync(`${data}/ca/root/revoked-cas.json`);
    elapsedMs += 1_000;
    expect(catalogue.find('second')).toBe(known);
  });

  it('is asked by a policy that gives each refusal its reason', async () => {
    const order = { tenant: 'acme', orderId: 'line-7' };
    const other = { tenant: 'acme', orderId: 'line-8' };
    const bound = await issue('line-7', { order });
    await issue('narrow', { extKeyUsage: ['1.3.6.1.5.5.7.3.3'] });
    await issue('old');
    await rekeyAuthority({
      directory: data,
      name: 'old',
      successor: 'new',
      passphrase,
      parent: { directory: data, name: 'root', passphrase },
      nowMs,
    });
    const clock = { nowMs: () => nowMs };
    const policy = issuingPolicy(await open(), clock);
    expect(policy.orderRefusal('line-7', order, profile)).toBeUndefined();
    expect(policy.batchRefusal('line-7', order)).toBeUndefined();
    expect(policy.orderRefusal('line-7', other, profile)).toContain('another order');
    expect(policy.batchRefusal('line-7', other)).toContain('another order');
    expect(policy.batchRefusal('line-7', { ...order, tenant: 'globex' })).toContain('another');
    expect(policy.orderRefusal('old', other, profile)).toContain("is retired: 'new'");
    expect(policy.batchRefusal('old', other)).toBeUndefined();
    expect(policy.orderRefusal('new', other, profile)).toBeUndefined();
    expect(policy.standingOf('new', 'acme')).toEqual({ takesOrders: true, takesUploads: true });
    expect(policy.standingOf('old', 'acme')).toEqual({
      ...{ takesOrders: false, takesUploads: true },
      refusal: expect.stringContaining("is retired: 'new'") as string,
    });
    expect(policy.standingOf('none', 'acme')).toBeUndefined();
    expect(policy.orderRefusal('narrow', other, profile)).toMatch(
      /does not sign profile '.*': \S+/,
    );
    expect(policy.orderRefusal('none', other, profile)).toContain('does not exist');
    expect(policy.defaultIssuerOf('acme')).toBe('first');
    await revokeAuthority({
      directory: data,
      parent: 'root',
      certificateDer: bound.chainDer[0] ?? new Uint8Array(),
      reason: 'cessationOfOperation',
      nowMs,
    });
    const later = issuingPolicy(await open(), clock);
    expect(later.batchRefusal('line-7', order)).toContain('is revoked: CN=line-7');
    expect(later.orderRefusal('line-7', order, profile)).toContain('is revoked: CN=line-7');
    const expired = issuingPolicy(await open(), { nowMs: () => Date.UTC(10_000, 0, 1) });
    expect(expired.batchRefusal('first', other)).toContain('expired at 9999-12-31');
    expect(() => expired.defaultIssuerOf('acme')).toThrow("'new' expired at 9999-12-31");
  });

  it('says why nobody takes anything, of each issuer that serves the tenant', async () => {
    const all = await issue('second').then(() => loadIssuers(data));
    const catalogue = await open();
    const clock = { nowMs: () => nowMs };
    expect(whyNoneIssues(catalogue.all, nowMs)).toEqual([]);
    const [first] = all;
    await revokeAuthority({
      directory: data,
      parent: 'root',
      certificateDer: first?.chainDer[0] ?? new Uint8Array(),
      reason: 'keyCompromise',
      nowMs,
    });
    elapsedMs += 1_000;
    expect(whyNoneIssues(catalogue.all, nowMs)).toEqual([]);
    await closeIssuer({ directory: data, name: 'second', nowMs });
    elapsedMs += 1_000;
    const given = "issuer 'second' is given up";
    expect(whyNoneIssues(catalogue.all, nowMs)).toEqual([
      expect.stringMatching(/^issuer 'first' is revoked: .*, keyCompromise, at /),
      given,
    ]);
    const ended = Date.UTC(10_000, 0, 1);
    const [, second] = whyNoneIssues(catalogue.all, ended);
    expect(second).toContain("'second' expired at 9999-12-31");
    const policy = issuingPolicy(catalogue, clock);
    const reason = expect.stringMatching(
      /^no issuer of this tenant takes orders: issuer 'first' is revoked: .*; issuer 'second' is given up$/,
    ) as string;
    await expect(policy.admit('acme', profile)).rejects.toMatchObject({
      ...{ code: 'CONFLICT', message: reason },
    });
    const bound = catalogue.all.map((issuer) => ({ ...issuer, tenants: ['globex'] }));
    const find = (name: string) => bound.find((issuer) => issuer.name === name);
    const others = issuingPolicy({ all: bound, find, formerEndsOf: () => [] }, clock);
    // Nothing of the issuers of others.
    expect(() => others.defaultIssuerOf('acme')).toThrow(/^no issuer serves this tenant$/);
  });

  it('sees one that is given up a second later: nothing of anybody is taken for it', async () => {
    await issue('old');
    await issue('second');
    await closeIssuer({ directory: data, name: 'old', nowMs });
    const order = { tenant: 'acme', orderId: 'line-7' };
    const catalogue = await open();
    const [first, second] = [catalogue.find('first'), catalogue.find('second')];
    const policy = issuingPolicy(catalogue, { nowMs: () => nowMs });
    expect(policy.batchRefusal('old', order)).toBe('is given up');
    const standing = { takesOrders: false, takesUploads: false, refusal: 'is given up' };
    expect(policy.standingOf('old', 'acme')).toEqual(standing);
    expect(policy.batchRefusal('first', order)).toBeUndefined();
    expect(policy.defaultIssuerOf('acme')).toBe('first');
    const closing = { directory: data, name: 'first', successor: 'second', nowMs };
    expect([await closeIssuer(closing), await closeIssuer(closing)]).toEqual([true, false]);
    expect(catalogue.find('first')).toBe(first);
    elapsedMs += 1_000;
    const refusal = "is given up: 'second' takes its place";
    expect(policy.batchRefusal('first', order)).toBe(refusal);
    expect(policy.orderRefusal('first', order, profile)).toBe(refusal);
    expect(policy.defaultIssuerOf('acme')).toBe('second');
    expect(catalogue.find('second')).toBe(second);
    // What was accepted is signed, and so are its CRLs.
    expect(() => {
      catalogue.assertSigns('first', nowMs);
    }).not.toThrow();
    const again = await open();
    expect(again.find('first')?.retirement).toMatchObject({ successor: 'second', isClosed: true });
  });

  it('takes attestation certificates of Matter under an intermediate, and of its vendor only', async () => {
    const dac = builtInProfiles().get('matter-dac')!;
    const order = { tenant: 'acme', orderId: 'o' };
    const before = issuingPolicy(await open(), { nowMs: () => nowMs });
    const reason = 'Matter Core Specification 6.2.2.4: the subject holds exactly one vendor id';
    await expect(before.admit('acme', dac)).rejects.toMatchObject({
      code: 'PROFILE_INVALID',
      message: expect.stringContaining(reason) as string,
    });
    expect(before.orderRefusal('first', order, dac)).toBe(
      `does not fit profile 'matter-dac': ${reason}`,
    );
    const subject = (text: string) => ({
      subjectDer: distinguishedNameDer(parseDistinguishedName(text)),
    });
    await issue('pai-1', subject('CN=PAI 1,matterVendorId=FFF1'));
    await issue('pai-2', subject('CN=PAI 2,matterVendorId=FFF2,matterProductId=8002'));
    const policy = issuingPolicy(await open(), { nowMs: () => nowMs });
    await policy.admit('acme', dac);
    for (const pai of ['pai-1', 'pai-2']) {
      expect(policy.orderRefusal(pai, order, dac)).toBeUndefined();
    }
    expect(policy.heldIds('pai-1', dac)).toEqual({ vendorId: 'FFF1' });
    expect(policy.heldIds('pai-2', dac)).toEqual({ vendorId: 'FFF2', productId: '8002' });
    expect(policy.heldIds('pai-1', profile)).toBeUndefined();
    const attests = /^does not fit profile 'tls-client': Matter Core .* certificates only$/;
    expect(policy.orderRefusal('pai-1', order, profile)).toMatch(attests);
    expect(policy.orderRefusal('first', order, profile)).toBeUndefined();
    const ofFirst = parseProfile(
      builtInProfileText('matter-dac')
        .replace(/from: \[row.vendorId.*\]/, 'value: FFF1')
        .replace(/(value: FFF1)\n *pattern.*/, '$1'),
      'first.yaml',
    );
    // Both names have one length, and only one of them is good for it.
    await expect(policy.admit('acme', ofFirst)).rejects.toThrow('the vendor id differs');
  });

  it('names the clause where a profile widens the constraints of every issuer', async () => {
    rmSync(join(data, 'ca', 'first'), { recursive: true });
    await issue('narrow', { extKeyUsage: ['1.3.6.1.5.5.7.3.3'] });
    const policy = issuingPolicy(await open(), { nowMs: () => nowMs });
    await expect(policy.admit('acme', profile)).rejects.toMatchObject({
      code: 'PROFILE_INVALID',
      message: expect.stringMatching(
        /widens its issuer's constraints: purpose .*4\.2\.1\.12/,
      ) as string,
    });
  });
});
