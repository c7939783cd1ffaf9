import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { pemEncode } from '@certmill/der';
import {
  authorityIn,
  completeAuthority,
  constraintsOfTexts,
  createRoot,
  crossCertify,
  distinguishedNameDer,
  exportAuthorities,
  importCaCrl,
  issueAuthority,
  issueCaCrl,
  parseDistinguishedName,
  passphraseVariable,
  publishedCas,
  renewAuthority,
  requestAuthority,
  requestRenewal,
  revokeAuthority,
  signAuthorityRequest,
} from '@certmill/trust';
import { listingServed, planCompromise, type CompromiseRun } from '@certmill/trust/compromise';
import type { IssuanceClient } from '../client/issuance-client.js';
import { Terminal } from '../terminal/terminal.js';
import { compromiseView } from './report.js';
import type { Circumstances, StepContext } from './step-context.js';
import { makeNewIssuer } from './steps/make-new-issuer.js';
import { publishParentCrl } from './steps/publish-parent-crl.js';
import { revokeOldCa } from './steps/revoke-old-ca.js';

const passphrase = 'only for this test';
const named = (value: string) => distinguishedNameDer([{ type: 'commonName', value }]);

let folder: string;
/** Of the machine that issues, and of the root's, which it never meets. */
let data: string;
let medium: string;
let run: CompromiseRun;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'certmill-offline-'));
  data = join(folder, 'data');
  medium = join(folder, 'medium');
  const nowMs = Date.now();
  const root = { passphrase, keyType: 'ec-p256', subjectDer: named('Root') } as const;
  await createRoot({ ...root, directory: medium }, nowMs);
  await issueAuthority(
    {
      ...{ name: 'old', directory: data, passphrase, keyType: 'ec-p256' },
      ...{ subjectDer: named('Old'), pathLenConstraint: 0, policies: ['1.3.6.1.4.1.99999.1'] },
    },
    { directory: medium, name: 'root', passphrase },
    nowMs,
  );
  const old = await authorityIn(data, 'old');
  const plan = planCompromise(
    {
      ...{ name: 'leave-old', issuer: 'old', reason: 'cACompromise', successor: { name: 'new' } },
      ...{ isReissued: true, isCaFirst: false, keepsCa: false },
    },
    { serialNumberHex: old.serialNumberHex, hasParent: true, isSuccessorThere: false, nowMs },
  );
  run = { plan, done: [] };
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

async function context(overrides: Partial<Circumstances> = {}): Promise<StepContext> {
  const stream = () => new PassThrough();
  const surroundings = {
    ...{ stdin: stream(), stdout: stream(), stderr: stream() },
    env: { [passphraseVariable]: passphrase },
  };
  const waiting = { parentCrl: [], next: '90d', timeoutSeconds: 1, approvals: [], leaveBehind: 0 };
  return {
    terminal: new Terminal(surroundings, new AbortController().signal),
    // No step here asks a server.
    client: undefined as unknown as IssuanceClient,
    data,
    old: await authorityIn(data, 'old'),
    circumstances: { ...waiting, ...overrides },
  };
}

const place = () => ({ directory: medium, name: 'root', passphrase });

/** What `openssl verify` says of a CA certificate with the CRL that the data folder serves by a name. */
async function servedCheck(name: string, file = join(data, 'ca/old/certificate.pem')) {
  const place = (each: string) => join(folder, each);
  writeFileSync(place('served.crl'), (await publishedCas(data).caCrlOf(name)) ?? '');
  const roots = [medium, data].map((each) => join(each, 'ca/root/certificate.pem'));
  const anchors = roots
    .filter((root) => existsSync(root))
    .map((root) => readFileSync(root, 'utf8'));
  writeFileSync(place('anchors.pem'), anchors.join(''));
  const crls = ['-crl_check_all', '-CRLfile', place('served.crl')];
  const args = ['verify', ...crls, '-CAfile', place('anchors.pem'), file];
  const { stdout, stderr } = spawnSync('openssl', args, { encoding: 'utf8' });
  return stdout + stderr;
}

async function crlOfRoot(name: string): Promise<string> {
  const { der } = await issueCaCrl(place(), 86_400, Date.now());
  const file = join(folder, name);
  writeFileSync(file, name.endsWith('.pem') ? pemEncode('X509 CRL', der) : der);
  return file;
}

describe('a new issuer under a root whose key is elsewhere', () => {
  const request = () => readFileSync(join(data, 'ca-requests/new/request.pem'), 'utf8');

  it('is asked for once, and is there when the chain was carried back', async () => {
    const waits = {
      code: 'STEP_WAITS',
      message: expect.stringMatching(
        /Carry .*ca-requests\/new\/request\.pem[^]*certmill ca sign [^]*certmill ca complete new /,
      ) as string,
    };
    await expect(makeNewIssuer(await context(), run)).rejects.toMatchObject(waits);
    const requestPem = request();
    await expect(makeNewIssuer(await context(), run)).rejects.toMatchObject(waits);
    expect(request()).toBe(requestPem);
    const nowMs = Date.now();
    const { chainDer } = await signAuthorityRequest({ requestPem, parent: place(), nowMs });
    const chainPem = chainDer.map((der) => pemEncode('CERTIFICATE', der)).join('');
    await completeAuthority({ directory: data, name: 'new', chainPem, passphrase, nowMs });
    const made = { name: 'new', subject: 'CN=new issuing CA', isMade: true };
    expect(await makeNewIssuer(await context(), run)).toMatchObject(made);
    // What the old one's certificate says of those below, the new one's says too.
    expect((await authorityIn(data, 'new')).policies).toEqual(['1.3.6.1.4.1.99999.1']);
  });

  it('keeps the name of the old one but for its CN, as a CA above that permits names asks for', async () => {
    const nowMs = Date.now();
    const own = { passphrase, keyType: 'ec-p256' } as const;
    const of = (dn: string) => ({ subjectDer: distinguishedNameDer(parseDistinguishedName(dn)) });
    const region = { directory: medium, name: 'region', passphrase };
    const permitted = constraintsOfTexts({ permit: ['dn:C=DE,O=Example'] });
    const above = { ...own, ...region, ...permitted, ...of('C=DE,O=Example,CN=Region') };
    await issueAuthority(above, place(), nowMs);
    const subject = of('C=DE,O=Example,OU=Line 1,CN=Old,serialNumber=7');
    const before = { ...own, directory: data, name: 'named', pathLenConstraint: 0, ...subject };
    await issueAuthority(before, region, nowMs);
    const atHand = {
      ...(await context({ parentData: medium })),
      old: await authorityIn(data, 'named'),
    };
    await makeNewIssuer(atHand, run);
    const file = join(data, 'ca/new/certificate.pem');
    const openssl = (...args: readonly string[]): string =>
      spawnSync('openssl', args, { encoding: 'utf8', cwd: medium }).stdout.trim();
    expect(openssl('x509', '-in', file, '-noout', '-subject', '-nameopt', 'RFC2253')).toBe(
      'subject=serialNumber=7,CN=new issuing CA,OU=Line 1,O=Example,C=DE',
    );
    const chain = ['-CAfile', 'ca/root/certificate.pem', '-untrusted', 'ca/region/certificate.pem'];
    expect(openssl('verify', ...chain, file)).toBe(`${file}: OK`);
  });

  it('is made where the folder of the root is given', async () => {
    const atHand = await context({ parentData: medium });
    const made = await makeNewIssuer(atHand, run);
    expect(await makeNewIssuer(atHand, run)).toEqual(made);
    expect((await authorityIn(data, 'new')).hasKey).toBe(true);
  });

  it('has no key in a file where the one before has it in a token', async () => {
    const atHand = await context({ parentData: medium });
    const slot = { module: '/m.so', token: 't', keyLabel: 'old', keyId: '01', pinFile: '/pin' };
    const old = { ...atHand.old, slot } as StepContext['old'];
    await expect(makeNewIssuer({ ...atHand, old }, run)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining('--slot') as string,
    });
  });

  it('cannot be one that was given up itself, or is none of devices', async () => {
    const successor = { name: 'root' };
    const plan = { ...run.plan, wish: { ...run.plan.wish, successor } };
    await createRoot(
      { directory: data, passphrase, keyType: 'ec-p256', subjectDer: named('Other') },
      Date.now(),
    );
    await expect(makeNewIssuer(await context(), { ...run, plan })).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('issues nothing to devices') as string,
    });
  });
});

describe('an old CA under a root whose key is elsewhere', () => {
  it('is revoked there, which a CRL that is carried back shows', async () => {
    const early = await crlOfRoot('early.crl');
    for (const parentCrl of [[], [early]]) {
      await expect(revokeOldCa(await context({ parentCrl }), run)).rejects.toMatchObject({
        code: 'STEP_WAITS',
        message: expect.stringMatching(
          /'CN=Root' is not here[^]*ca\/old\/certificate\.pem[^]*certmill ca revoke --certificate FILE --under root [^]*--parent-crl root\.crl/,
        ) as string,
      });
    }
    const { chainDer } = await authorityIn(data, 'old');
    await revokeAuthority({
      ...{ directory: medium, parent: 'root', reason: 'cACompromise', nowMs: Date.now() },
      certificateDer: chainDer[0] ?? new Uint8Array(),
    });
    const carried = await context({ parentCrl: [early, await crlOfRoot('root.pem')] });
    // The early one is served, as of a root whose CRLs are taken in.
    await importCaCrl({
      directory: data,
      crlDer: readFileSync(early),
      name: 'above',
      nowMs: Date.now(),
    });
    expect(await servedCheck('above')).toMatch(/: OK$/m);
    const byRoot = { certificates: 1, by: ['CN=Root'], reason: 'cACompromise' };
    expect(await revokeOldCa(carried, run)).toEqual(byRoot);
    expect(await publishParentCrl(carried, run)).toEqual({ files: [join(folder, 'root.pem')] });
    expect(await servedCheck('above')).toContain('certificate revoked');
    // With what is served, nothing more is carried.
    expect(await publishParentCrl(await context(), run)).toEqual({ files: [] });
    const other = await createRoot(
      {
        ...{ directory: join(folder, 'other'), passphrase },
        keyType: 'ec-p256',
        subjectDer: named('Root'),
      },
      Date.now(),
    );
    rmSync(join(data, 'ca-crls'), { recursive: true });
    const forged = join(folder, 'forged.crl');
    const { der } = await issueCaCrl(
      { directory: join(folder, 'other'), name: other.name, passphrase },
      86_400,
      Date.now(),
    );
    writeFileSync(forged, der);
    await expect(
      publishParentCrl(await context({ parentCrl: [forged] }), run),
    ).rejects.toMatchObject({ code: 'STEP_WAITS' });
    const nothing = await context({ parentCrl: [join(data, 'ca/old/certificate.pem')] });
    await expect(revokeOldCa(nothing, run)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });

  it('is revoked with every certificate over its key, where the folders are given', async () => {
    const nowMs = Date.now();
    await renewAuthority({ directory: data, name: 'old', parent: place(), nowMs });
    // Another root, in the data folder, vouches for it as well.
    await createRoot(
      { directory: data, passphrase, keyType: 'ec-p256', subjectDer: named('Second root') },
      nowMs,
    );
    const by = { directory: data, name: 'root', passphrase };
    await crossCertify({ directory: data, name: 'old', by, nowMs });
    await expect(revokeOldCa(await context(), run)).rejects.toMatchObject({
      code: 'STEP_WAITS',
      message: expect.stringMatching(/certificate\.pem, .*former/) as string,
    });
    const atHand = await context({ parentData: medium });
    expect(await revokeOldCa(atHand, run)).toEqual({
      certificates: 3,
      by: ['CN=Root', 'CN=Second root'],
      reason: 'cACompromise',
    });
    expect((await authorityIn(medium, 'root')).revokedCas).toHaveLength(2);
    expect((await authorityIn(data, 'root')).revokedCas).toHaveLength(1);
    const { files } = await publishParentCrl(atHand, run);
    expect(files).toEqual([join(medium, 'ca/root/ca.crl'), join(data, 'ca/root/ca.crl')]);
    const served = (name: string) => publishedCas(data).caCrlOf(name);
    expect(await served('root')).toEqual(readFileSync(join(data, 'ca/root/ca.crl')));
    // That of the other root has a name that is free here.
    expect(await served('root-2')).toEqual(readFileSync(join(medium, 'ca/root/ca.crl')));
    expect(await servedCheck('root-2')).toContain('certificate revoked');
    const [cross = ''] = readdirSync(join(data, 'ca/old/alternative'));
    expect(await servedCheck('root', join(data, 'ca/old/alternative', cross))).toContain(
      'certificate revoked',
    );
  });

  it('is served as revoked where the public folder of the root is here with an older list', async () => {
    const atHand = await context({ parentData: medium });
    await issueCaCrl(place(), 86_400, Date.now());
    await exportAuthorities({ directory: medium, into: data });
    const early = readFileSync(join(medium, 'ca/root/ca.crl'));
    await importCaCrl({ directory: data, crlDer: early, nowMs: Date.now() });
    expect(await servedCheck('root')).toMatch(/: OK$/m);
    await revokeOldCa(atHand, run);
    await publishParentCrl(atHand, run);
    expect(await servedCheck('root')).toContain('certificate revoked');
  });

  it('is not left while the CRL that says so is not served, and is once somebody has taken it in', async () => {
    const nowMs = Date.now();
    const wish = { directory: data, passphrase, keyType: 'ec-p256', pathLenConstraint: 0 } as const;
    const line = { ...wish, name: 'line', subjectDer: named('Line') };
    const { serialNumberHex, chainDer } = await issueAuthority(line, place(), nowMs);
    await revokeAuthority({
      ...{ directory: medium, parent: 'root', reason: 'cessationOfOperation', nowMs },
      certificateDer: chainDer[0] ?? new Uint8Array(),
    });
    const { der } = await issueCaCrl(place(), 86_400, nowMs);
    await importCaCrl({ directory: data, crlDer: der, name: 'root', nowMs });
    // The medium was restored from before.
    rmSync(join(medium, 'ca/root/revoked-cas.json'));
    const atHand = await context({ parentData: medium });
    await revokeOldCa(atHand, run);
    await expect(publishParentCrl(atHand, run)).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringMatching(
        new RegExp(`medium/ca/root/ca\\.crl is not taken in .*${serialNumberHex}`),
      ) as string,
    });
    expect(await servedCheck('root')).toMatch(/: OK$/m);
    const again = readFileSync(join(medium, 'ca/root/ca.crl'));
    const released = [serialNumberHex];
    await importCaCrl({ directory: data, crlDer: again, released, nowMs: Date.now() });
    await publishParentCrl(atHand, run);
    expect(await servedCheck('root')).toContain('certificate revoked');
  });
});

describe('certificates over the key of an old CA', () => {
  /** A renewal under another CA of the data folder, which nobody has taken in. */
  const renewedElsewhere = async (): Promise<string> => {
    const nowMs = Date.now();
    const second = { directory: data, passphrase, keyType: 'ec-p256' } as const;
    await createRoot({ ...second, subjectDer: named('Second root') }, nowMs);
    const requestPem = await requestRenewal({ directory: data, name: 'old', passphrase });
    const parent = { directory: data, name: 'root', passphrase };
    const { chainDer } = await signAuthorityRequest({ requestPem, parent, nowMs });
    const { serialNumber } = new X509Certificate(chainDer[0] ?? new Uint8Array());
    return join(data, 'ca/root/issued', `${serialNumber.toLowerCase()}.pem`);
  };

  it('are revoked in every folder of the data folder, and what cannot be read is told', async () => {
    const file = await renewedElsewhere();
    const damaged = join(data, 'ca/root/issued/77.pem');
    writeFileSync(damaged, 'half of a');
    const atHand = await context({ parentData: medium });
    const facts = await revokeOldCa(atHand, run);
    expect(facts).toEqual({
      certificates: 2,
      by: ['CN=Root', 'CN=Second root'],
      reason: 'cACompromise',
      unread: [damaged],
    });
    await publishParentCrl(atHand, run);
    expect(await servedCheck('root', file)).toContain('certificate revoked');
    const done = [{ step: 'revoke-ca', startedAtMs: 0, endedAtMs: 0, facts }] as const;
    expect(compromiseView({ ...run, done }).left).toEqual([
      expect.stringContaining(
        `cannot be read, and may be over the key of 'old' as well: ${damaged}`,
      ),
    ]);
  });

  it('are carried in a file that has them, whatever became of others', async () => {
    const own = join(data, 'ca/old/certificate.pem');
    const chain = join(data, 'ca/old/chain.pem');
    const text = readFileSync(chain, 'utf8');
    const carried = async () => {
      const told = await revokeOldCa(await context(), run).then(
        () => '',
        (stop: unknown) => (stop instanceof Error ? stop.message : ''),
      );
      return /Carry to it: (.*); there/.exec(told)?.[1]?.split(', ');
    };
    // A renewal that was killed before the chain in force followed.
    await renewAuthority({ directory: data, name: 'old', parent: place(), nowMs: Date.now() });
    writeFileSync(chain, text);
    expect(await carried()).toEqual([chain, own]);
    rmSync(join(data, 'ca/old/former'), { recursive: true });
    writeFileSync(own, 'half of a');
    expect(await carried()).toEqual([chain]);
  });

  it('are waited for where one has come to light that only its own CA can revoke', async () => {
    const file = await renewedElsewhere();
    const aside = join(folder, 'aside');
    mkdirSync(join(data, 'ca/old/issued'));
    cpSync(file, join(data, 'ca/old/issued/found.pem'));
    renameSync(join(data, 'ca/root'), aside);
    const { chainDer } = await authorityIn(data, 'old');
    const root = { directory: medium, parent: 'root', nowMs: Date.now() };
    const certificateDer = chainDer[0] ?? new Uint8Array();
    await revokeAuthority({ ...root, reason: 'cACompromise', certificateDer });
    const atHand = await context({ parentData: medium });
    await expect(revokeOldCa(atHand, run)).rejects.toMatchObject({
      code: 'STEP_WAITS',
      message: expect.stringMatching(
        /'CN=Second root' is not here[^]*issued\/found\.pem/,
      ) as string,
    });
    renameSync(aside, join(data, 'ca/root'));
    expect(await revokeOldCa(atHand, run)).toMatchObject({ certificates: 2 });
  });

  it('are served as revoked by a root that has cross-certified it, from a CRL that was carried', async () => {
    const nowMs = Date.now();
    const third = { directory: join(folder, 'third'), name: 'root', passphrase };
    await createRoot({ ...third, keyType: 'ec-p256', subjectDer: named('Third root') }, nowMs);
    const { chainDer } = await crossCertify({ directory: data, name: 'old', by: third, nowMs });
    const [certificateDer = new Uint8Array(), signerDer = new Uint8Array()] = chainDer;
    await revokeAuthority({
      ...{ directory: third.directory, parent: 'root', certificateDer, nowMs },
      reason: 'cACompromise',
    });
    const carried = await issueCaCrl(third, 86_400, nowMs);
    const circumstances = { parentData: medium, parentCrl: [carried.file] };
    // A request that waits for its certificate has its name, and keeps it.
    const wish = { directory: data, passphrase, keyType: 'ec-p256', pathLenConstraint: 0 } as const;
    await requestAuthority({ ...wish, name: 'root-2', subjectDer: named('Asked for') });
    const facts = await revokeOldCa(await context(circumstances), run);
    expect(facts).toMatchObject({ certificates: 2, by: ['CN=Root', 'CN=Third root'] });
    await publishParentCrl(await context(circumstances), run);
    const names = readdirSync(join(data, 'ca-crls')).sort();
    expect(names).toEqual(['root-3.pem', 'root.pem']);
    const listed = { reason: 'cACompromise', crlNumber: carried.crlNumber };
    expect(await listingServed(data, certificateDer, signerDer, Date.now())).toEqual(listed);
    const crl = readFileSync(join(data, 'ca-crls/root-3.pem'), 'utf8');
    expect(crl).toContain(pemEncode('X509 CRL', carried.der));
    // The next one comes as every other.
    const next = await issueCaCrl(third, 2 * 86_400, Date.now());
    const again = await importCaCrl({ directory: data, crlDer: next.der, nowMs: Date.now() });
    expect([again.crl.ca, again.isNew]).toEqual(['root-3', true]);
    // By hand it has the name that somebody gives.
    rmSync(join(data, 'ca-crls'), { recursive: true });
    const byHand = { directory: data, crlDer: carried.der, name: 'third', nowMs: Date.now() };
    expect((await importCaCrl(byHand)).crl.ca).toBe('third');
  });

  it('are served as revoked by both roots where the CA moved from one to the other, and both are elsewhere', async () => {
    const nowMs = Date.now();
    const third = { directory: join(folder, 'third'), name: 'root', passphrase };
    await createRoot({ ...third, keyType: 'ec-p256', subjectDer: named('Third root') }, nowMs);
    const key = { directory: data, name: 'old', passphrase };
    const [former = new Uint8Array()] = (await authorityIn(data, 'old')).chainDer;
    const requestPem = await requestRenewal(key);
    const { chainDer } = await signAuthorityRequest({ requestPem, parent: third, nowMs });
    const chainPem = chainDer.map((der) => pemEncode('CERTIFICATE', der)).join('');
    await completeAuthority({ ...key, chainPem, nowMs });
    const [own = new Uint8Array()] = chainDer;
    const revoked = { parent: 'root', reason: 'cACompromise', nowMs } as const;
    await revokeAuthority({ ...revoked, directory: third.directory, certificateDer: own });
    await revokeAuthority({ ...revoked, directory: medium, certificateDer: former });
    const next = await issueCaCrl(third, 86_400, nowMs);
    const parentCrl = [next.file, await crlOfRoot('root.crl')];
    const beside = join(data, 'ca/old/former');
    const kept = join(beside, readdirSync(beside)[0] ?? '');
    const whole = readFileSync(kept, 'utf8');
    // Nothing here has the certificate of the root that it stood under: its public folder does.
    writeFileSync(kept, pemEncode('CERTIFICATE', former));
    await expect(revokeOldCa(await context({ parentCrl }), run)).rejects.toMatchObject({
      code: 'STEP_WAITS',
      message: expect.stringMatching(/'CN=Root' is not here[^]*--parent-data/) as string,
    });
    const parentData = join(folder, 'public');
    await exportAuthorities({ directory: medium, into: parentData });
    const carried = { parentCrl, parentData };
    expect(await revokeOldCa(await context(carried), run)).toMatchObject({ certificates: 2 });
    // So does the chain that was kept with the certificate.
    writeFileSync(kept, whole);
    expect(await revokeOldCa(await context({ parentCrl }), run)).toMatchObject({ certificates: 2 });
    await publishParentCrl(await context({ parentCrl }), run);
    const root = (await authorityIn(medium, 'root')).chainDer[0] ?? new Uint8Array();
    const listing = (der: Uint8Array, signer: Uint8Array | undefined) =>
      listingServed(data, der, signer ?? new Uint8Array(), Date.now());
    const listed = expect.objectContaining({ reason: 'cACompromise' }) as unknown;
    expect([await listing(own, chainDer[1]), await listing(former, root)]).toEqual([
      listed,
      listed,
    ]);
  });

  it.each([
    ['another root that cross-certified it', false],
    ['the root that it stood under for a while', true],
  ])('leave the name that is in the address of %s to that', async (_, isFormer) => {
    const nowMs = Date.now();
    const third = { directory: join(folder, 'third'), name: 'root', passphrase };
    const status = { baseUri: 'http://third.example', crlShards: 0 };
    const wish = { ...third, keyType: 'ec-p256', subjectDer: named('Third root'), status } as const;
    await createRoot(wish, nowMs);
    const key = { directory: data, name: 'old', passphrase };
    if (isFormer) {
      for (const parent of [third, place()]) {
        const requestPem = await requestRenewal(key);
        const { chainDer } = await signAuthorityRequest({ requestPem, parent, nowMs });
        const chainPem = chainDer.map((der) => pemEncode('CERTIFICATE', der)).join('');
        await completeAuthority({ ...key, chainPem, nowMs });
      }
    } else {
      await crossCertify({ directory: data, name: 'old', by: third, nowMs });
    }
    const beside = join(data, 'ca/old', isFormer ? 'former' : 'alternative');
    const addressed = readdirSync(beside)
      .map((file) => join(beside, file))
      .filter((file) => {
        const address = 'http://third.example/crl/root/ca.crl';
        return new X509Certificate(readFileSync(file)).raw.includes(address);
      });
    expect(addressed).toHaveLength(1);
    await expect(revokeOldCa(await context({ parentData: medium }), run)).rejects.toMatchObject({
      code: 'STEP_WAITS',
      message: expect.stringContaining("'CN=Third root' is not here") as string,
    });
    const parentCrl = [await crlOfRoot('root.crl')];
    const atHand = await context({ parentData: third.directory, parentCrl });
    await revokeOldCa(atHand, run);
    await publishParentCrl(atHand, run);
    const served = async (name: string) => publishedCas(data).caCrlOf(name);
    expect(await served('root')).toEqual(readFileSync(join(third.directory, 'ca/root/ca.crl')));
    expect(await served('root-2')).toEqual(readFileSync(join(folder, 'root.crl')));
    expect(await servedCheck('root-2')).toContain('certificate revoked');
  });

  it('stay where they have another name and the key is not lost, and are named', async () => {
    const at = (name: string): string => join(folder, name);
    const openssl = (...args: readonly string[]) =>
      expect(spawnSync('openssl', args, { encoding: 'utf8' })).toMatchObject({ status: 0 });
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    const [signer, signerKey, publicKey, extensions] = [at('f.pem'), at('f.key'), at('k'), at('e')];
    openssl('req', '-x509', ...key, '-keyout', signerKey, '-subj', '/CN=Foreign', '-out', signer);
    const own = join(data, 'ca/old/certificate.pem');
    openssl('x509', '-in', own, '-pubkey', '-noout', '-out', publicKey);
    writeFileSync(
      extensions,
      'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash\n',
    );
    mkdirSync(join(data, 'ca/old/alternative'));
    const other = join(data, 'ca/old/alternative/other.pem');
    openssl(
      ...['x509', '-new', '-force_pubkey', publicKey, '-subj', '/CN=Other', '-days', '30'],
      ...['-CA', signer, '-CAkey', signerKey, '-extfile', extensions, '-out', other],
    );
    const atHand = await context({ parentData: medium });
    await expect(revokeOldCa(atHand, run)).rejects.toMatchObject({
      code: 'STEP_WAITS',
      message: expect.stringMatching(/'CN=Foreign' is not here[^]*other\.pem/) as string,
    });
    const plan = { ...run.plan, wish: { ...run.plan.wish, reason: 'superseded' as const } };
    const facts = await revokeOldCa(atHand, { ...run, plan });
    expect(facts).toMatchObject({ certificates: 1, others: [other] });
    const done = [{ step: 'revoke-ca', startedAtMs: 0, endedAtMs: 0, facts }] as const;
    expect(compromiseView({ plan, done }).left).toContainEqual(
      `still good, of another name over the same key, which is not lost: ${other}`,
    );
  });

  it('keep the reason that they were revoked for first, and the report says so', async () => {
    const { chainDer } = await authorityIn(data, 'old');
    await revokeAuthority({
      ...{ directory: medium, parent: 'root', reason: 'cessationOfOperation', nowMs: Date.now() },
      certificateDer: chainDer[0] ?? new Uint8Array(),
    });
    const plan = { ...run.plan, wish: { ...run.plan.wish, reason: 'superseded' as const } };
    const worn = { ...run, plan };
    const facts = await revokeOldCa(await context({ parentData: medium }), worn);
    expect(facts).toMatchObject({ certificates: 1, reason: 'cessationOfOperation' });
    const done = [{ step: 'revoke-ca', startedAtMs: 0, endedAtMs: 0, facts }] as const;
    expect(compromiseView({ ...worn, done }).left).toEqual([
      "'old' is revoked for cessationOfOperation, which stays, and not for superseded",
    ]);
  });
});
