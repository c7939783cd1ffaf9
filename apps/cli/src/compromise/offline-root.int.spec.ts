import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { pemEncode } from '@certmill/der';
import {
  authorityIn,
  completeAuthority,
  createRoot,
  crossCertify,
  distinguishedNameDer,
  issueAuthority,
  issueCaCrl,
  passphraseVariable,
  publishedCas,
  renewAuthority,
  revokeAuthority,
  signAuthorityRequest,
} from '@certmill/trust';
import { planCompromise, type CompromiseRun } from '@certmill/trust/compromise';
import type { IssuanceClient } from '../client/issuance-client.js';
import { Terminal } from '../terminal/terminal.js';
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
    expect(await revokeOldCa(carried, run)).toMatchObject({ certificates: 1 });
    expect(await publishParentCrl(carried, run)).toEqual({ files: [join(folder, 'root.pem')] });
    const other = await createRoot(
      {
        ...{ directory: join(folder, 'other'), passphrase },
        keyType: 'ec-p256',
        subjectDer: named('Root'),
      },
      Date.now(),
    );
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
    const published = await publishedCas(data).caCrlOf('root');
    expect(Buffer.compare(published!, readFileSync(join(data, 'ca/root/ca.crl')))).toBe(0);
  });
});
