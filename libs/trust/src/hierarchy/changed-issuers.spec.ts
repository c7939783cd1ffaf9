import { spawnSync } from 'node:child_process';
import {
  cpSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CertmillError, RevocationReason } from '@certmill/domain';
import { builtInProfiles } from '@certmill/domain/profile-files';
import { encodeTlv } from '@certmill/der';
import { issuingPolicy } from '../admission/issuing-policy.js';
import { decryptPrivateKey } from '../keys/encrypted-private-key.js';
import { replaceBytes, resign } from '../testing/resign.js';
import { CaCrlEnds } from './ca-crl-ends.js';
import { certificatesInPem, pemOfCertificates, readCaCertificate } from './ca-certificate.js';
import { identityOf } from './cas-by-key.js';
import { closeIssuer } from './close-issuer.js';
import { crossCertify } from './cross-certify.js';
import { distinguishedNameDer } from './distinguished-name.js';
import { importCaCrl } from './import-ca-crl.js';
import { createRoot, issueAuthority } from './issue-authority.js';
import { issueCaCrl } from './issue-ca-crl.js';
import { IssuerCatalogue } from './issuer-catalogue.js';
import { issuerPathsOf } from './issuer-paths.js';
import { loadIssuer, loadIssuers, refusalOf } from './load-issuers.js';
import { rekeyAuthority, renewAuthority } from './renew-authority.js';
import { completeAuthority, requestRenewal, signAuthorityRequest } from './request-authority.js';
import { revokeAuthority } from './revoke-authority.js';
import { revokedCasFileName } from './revoked-cas.js';

const passphrase = 'only for this test';
const nowMs = Math.floor(Date.now() / 1_000) * 1_000;
const yearS = 365 * 86_400;

/**
 * Two intermediates under a root, an issuer under the first of them, and one under a root whose folder is
 * elsewhere.
 */
describe('an issuer that a running process serves', () => {
  let made: string;
  let folder: string;
  let data: string;
  let elapsedMs: number;
  let faults: CertmillError[];
  const named = (value: string) => distinguishedNameDer([{ type: 'commonName', value }]);
  const place = (name: string, directory = data) => ({ directory, name, passphrase });

  beforeAll(async () => {
    made = mkdtempSync(join(tmpdir(), 'certmill-changed-issuers-'));
    const [here, medium] = [join(made, 'data'), join(made, 'medium')];
    const common = { passphrase, keyType: 'ec-p256' as const };
    await createRoot({ ...common, directory: here, subjectDer: named('Root') }, nowMs);
    await createRoot({ ...common, directory: medium, subjectDer: named('Far root') }, nowMs);
    const issue = (name: string, under: string, pathLenConstraint: number, directory = here) => {
      const wish = { ...common, directory: here, name, subjectDer: named(name), pathLenConstraint };
      const lifetimeSeconds = (pathLenConstraint === 0 ? 2 : 5) * yearS;
      return issueAuthority({ ...wish, lifetimeSeconds }, place(under, directory), nowMs);
    };
    await issue('oem', 'root', 1);
    await issue('reg2', 'root', 2);
    await issue('fac', 'oem', 0);
    await issue('away', 'root', 0, medium);
  });
  beforeEach(() => {
    elapsedMs = 0;
    faults = [];
    folder = mkdtempSync(join(tmpdir(), 'certmill-changed-issuers-'));
    data = join(folder, 'data');
    cpSync(made, folder, { recursive: true });
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });
  afterAll(() => {
    rmSync(made, { recursive: true });
  });

  const open = async (configured?: Readonly<Record<string, { readonly tenants: 'all' }>>) => {
    const catalogue = new IssuerCatalogue({
      ...{ dataDirectory: data, issuers: await loadIssuers(data), configured, keyless: 'left-out' },
      elapsedMs: () => elapsedMs,
    });
    catalogue.tellFaults((fault) => faults.push(fault));
    return catalogue;
  };
  /** A process that has looked at the issuer, as one that signs with it has. */
  const serving = async (name = 'fac') => {
    const catalogue = await open();
    catalogue.assertSigns(name, nowMs);
    return {
      catalogue,
      before: catalogue.find(name)!,
      /** As it is a second later. */
      later: (which = name) => {
        elapsedMs += 1_000;
        return catalogue.find(which)!;
      },
    };
  };
  /** A chain over another CA in the place of that in force. */
  const move = async (name: string, by: string): Promise<void> => {
    const { chainDer } = await crossCertify({ directory: data, name, by: place(by), nowMs });
    await completeAuthority({
      ...{ ...place(name), chainPem: pemOfCertificates(chainDer), nowMs, mayEndEarlier: true },
    });
  };
  /** A chain over `reg2` with the subject `fac` as a PrintableString, which was a UTF8String. */
  const inOtherOctets = async (): Promise<string> => {
    const { chainDer } = await crossCertify({
      ...{ directory: data, name: 'fac', by: place('reg2'), nowMs },
    });
    const [own = new Uint8Array(), ...above] = chainDer;
    const keyPem = readFileSync(issuerPathsOf(data, 'reg2').keyFile, 'utf8');
    const [utf8, printable] = [0x0c, 0x13].map((tag) => encodeTlv(tag, Buffer.from('fac')));
    const renamed = resign(own, decryptPrivateKey(keyPem, passphrase, 'the key'), (tbs) =>
      replaceBytes(tbs, utf8!, printable!),
    );
    return pemOfCertificates([renamed, ...above]);
  };
  const revoke = async (by: string, name: string, reason: RevocationReason) =>
    revokeAuthority({
      ...{ directory: data, parent: by, reason, nowMs },
      certificateDer: (await loadIssuer(data, name)).chainDer[0]!,
    });
  const refused = (text: string) => expect.stringContaining(text) as string;

  it('stands below the CA that it has moved to a second later, and is stopped by what that one revokes', async () => {
    const { before, later } = await serving();
    await move('fac', 'reg2');
    const moved = later();
    const inFolder = await loadIssuer(data, 'fac');
    expect(moved).toMatchObject({ parent: 'reg2', above: ['reg2', 'root'] });
    expect(moved.chainDer).toEqual(inFolder.chainDer);
    expect(moved.serialNumberHex).toBe(inFolder.serialNumberHex);
    expect([before.parent, refusalOf(moved, nowMs)]).toEqual(['oem', undefined]);
    // One that did not change again stays the same object: its key is not opened anew.
    expect(later()).toBe(moved);
    await revoke('reg2', 'fac', 'keyCompromise');
    expect(refusalOf(later(), nowMs)).toEqual(refused('CN=fac, keyCompromise'));
    expect(faults).toEqual([]);
  });

  it('stands below the CA that the one above it has moved to, though its own chain was left by a kill', async () => {
    const { later } = await serving();
    const { chainFile } = issuerPathsOf(data, 'fac');
    linkSync(chainFile, join(data, 'as-it-was'));
    await move('oem', 'reg2');
    renameSync(join(data, 'as-it-was'), chainFile);
    expect(later().above).toEqual(['oem', 'reg2', 'root']);
    await revoke('reg2', 'oem', 'superseded');
    expect(refusalOf(later(), nowMs)).toEqual(refused('CN=oem, superseded'));
  });

  it('has the end of its renewal a second later, and stays good when the certificate before is retired', async () => {
    const { catalogue, before, later } = await serving();
    const renewed = await renewAuthority({
      ...{ directory: data, name: 'fac', parent: place('oem'), lifetimeSeconds: 4 * yearS, nowMs },
    });
    await revokeAuthority({
      ...{ directory: data, parent: 'oem', reason: 'superseded', nowMs, mayBeAlone: true },
      certificateDer: before.chainDer[0]!,
    });
    const now = later();
    expect(now.chainDer).toEqual(renewed.chainDer);
    expect(now.notAfterMs).toBe(renewed.notAfterMs);
    expect(now.notAfterMs).toBeGreaterThan(before.notAfterMs);
    const policy = issuingPolicy(catalogue, { nowMs: () => nowMs });
    expect(policy.formerEndsOf('fac')).toEqual([before.notAfterMs]);
    expect(policy.formerEndsOf('gone')).toEqual([]);
    const damaged = join(data, 'ca/fac/former/00.pem');
    writeFileSync(damaged, 'nothing');
    const told = faults.length;
    for (let looks = 0; looks < 2; looks += 1) {
      expect(policy.formerEndsOf('fac')).toEqual([before.notAfterMs, undefined]);
    }
    expect(faults.slice(told).map(({ message }) => message)).toEqual([refused(damaged)]);
    expect(refusalOf(now, nowMs)).toBeUndefined();
    // What a key is opened with, and what its certificates say of their status, is as it was.
    expect(now.spkiDer).toEqual(before.spkiDer);
    expect(now.subjectDer).toEqual(before.subjectDer);
    expect(now.keyFile).toBe(before.keyFile);
    expect(catalogue.find('fac')).toBe(now);
  });

  it('takes in no certificate with its subject in other octets: what it has issued would have no status', async () => {
    const { before, later } = await serving();
    const chainPem = await inOtherOctets();
    const taken = completeAuthority({ ...place('fac'), chainPem, nowMs, mayEndEarlier: true });
    await expect(taken).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringMatching(/other octets .*RFC 5280.*ask the CA above/) as string,
    });
    expect((await loadIssuer(data, 'fac')).chainDer).toEqual(before.chainDer);
    expect(later()).toBe(before);
    // Put there by hand, it is not served either.
    writeFileSync(issuerPathsOf(data, 'fac').chainFile, chainPem);
    expect(later()).toBe(before);
    expect(faults.map(({ message }) => message)).toEqual([refused('another key or subject')]);
  });

  it('takes nothing more of an open order that its certificate in force leaves no room for', async () => {
    const { catalogue, later } = await serving();
    const policy = issuingPolicy(catalogue, { nowMs: () => nowMs });
    const order = { tenant: 'acme', orderId: 'o' };
    const clients = builtInProfiles().get('tls-client')!;
    const ask = () => [
      policy.batchRefusal('fac', order, clients),
      policy.orderRefusal('fac', order, clients),
    ];
    expect(ask()).toEqual([undefined, undefined]);
    const changes = [
      [{ lifetimeSeconds: 30 * 86_400 }, refused("is longer than the issuer's")],
      [{ extKeyUsage: ['1.3.6.1.5.5.7.3.1'] }, refused('extKeyUsage, RFC 5280 4.2.1.12')],
      [{ extKeyUsage: ['1.3.6.1.5.5.7.3.2'] }, undefined],
    ] as const;
    for (const [change, refusal] of changes) {
      const requestPem = await requestRenewal(place('fac'));
      const signing = { requestPem, parent: place('reg2'), nowMs, ...change };
      const { chainDer } = await signAuthorityRequest(signing);
      const chainPem = pemOfCertificates(chainDer);
      const meant = { mayEndEarlier: true, mayNarrowConstraints: true };
      await completeAuthority({ ...place('fac'), chainPem, nowMs, ...meant });
      expect(later().chainDer).toEqual(chainDer);
      for (let asked = 0; asked < 2; asked += 1) expect(ask()).toEqual([refusal, refusal]);
      // Who ends an upload adds nothing.
      expect(policy.batchRefusal('fac', order)).toBeUndefined();
    }
    expect(faults).toEqual([]);
  });

  it('is counted with its new end though nobody has asked for it', async () => {
    const catalogue = await open();
    for (const years of [1, 1.5]) {
      const lifetimeSeconds = years * yearS;
      const { notAfterMs } = await renewAuthority({
        ...{ directory: data, name: 'fac', parent: place('oem'), lifetimeSeconds, nowMs },
      });
      elapsedMs += 1_000;
      expect(catalogue.firstEndMs(nowMs)).toBe(notAfterMs);
    }
  });

  it('is good again once it stands below another CA than the one that was revoked', async () => {
    const { later } = await serving();
    const { chainDer } = await crossCertify({
      ...{ directory: data, name: 'fac', by: place('reg2'), nowMs },
    });
    await revoke('root', 'oem', 'cessationOfOperation');
    expect(refusalOf(later(), nowMs)).toEqual(refused('CN=oem, cessationOfOperation'));
    await completeAuthority({
      ...{ ...place('fac'), chainPem: pemOfCertificates(chainDer), nowMs, mayEndEarlier: true },
    });
    expect(refusalOf(later(), nowMs)).toBeUndefined();
    expect(later().parent).toBe('reg2');
  });

  it('stays revoked with its key, whoever signs it anew and whatever the folder has forgotten', async () => {
    const { later } = await serving();
    const { chainDer } = await crossCertify({
      ...{ directory: data, name: 'fac', by: place('reg2'), nowMs },
    });
    await revoke('oem', 'fac', 'keyCompromise');
    expect(refusalOf(later(), nowMs)).toEqual(refused('CN=fac, keyCompromise'));
    rmSync(join(data, 'ca/oem', revokedCasFileName));
    writeFileSync(issuerPathsOf(data, 'fac').chainFile, pemOfCertificates(chainDer));
    expect(refusalOf(later(), nowMs)).toEqual(refused('CN=fac, keyCompromise'));
  });

  it.each(['at once', 'file by file'])(
    'stands below a CA whose public folder comes later, %s, and is stopped by what is recorded there',
    async (how) => {
      const { before, later } = await serving('away');
      expect(before.above).toEqual([]);
      const [from, to] = [join(folder, 'medium/ca/root'), join(data, 'ca/far')];
      if (how === 'at once') {
        cpSync(from, join(data, 'beside'), { recursive: true });
        rmSync(join(data, 'beside/key.pem'));
        renameSync(join(data, 'beside'), to);
      } else {
        mkdirSync(to);
        expect(later().above).toEqual([]);
        for (const file of readdirSync(from).filter((name) => name !== 'key.pem')) {
          cpSync(join(from, file), join(to, file), { recursive: true });
        }
      }
      expect(later().above).toEqual(['far']);
      await revoke('far', 'away', 'cessationOfOperation');
      expect(refusalOf(later(), nowMs)).toEqual(refused('CN=away, cessationOfOperation'));
      expect(faults).toEqual([]);
    },
  );

  it('is served on where a folder comes that stays empty, which is told', async () => {
    const { before, later } = await serving();
    mkdirSync(join(data, 'ca/far'));
    expect(later()).toBe(before);
    elapsedMs += 8_000;
    expect([later(), faults]).toEqual([before, []]);
    expect(later()).toBe(before);
    expect(faults.map(({ message }) => message)).toEqual([
      refused("'far': its folder has no cert"),
    ]);
  });

  describe('whose folder cannot be read', () => {
    it('goes on with the chain before, says so once, and takes the new one when it is whole', async () => {
      const { before, later } = await serving();
      const { chainFile } = issuerPathsOf(data, 'fac');
      await move('fac', 'reg2');
      const whole = readFileSync(chainFile, 'utf8');
      const [own = ''] = whole.split(/(?<=-----END CERTIFICATE-----\n)/);
      for (const part of [whole.slice(0, 300), own, '']) {
        writeFileSync(chainFile, part);
        expect(later()).toBe(before);
        expect(later()).toBe(before);
        expect(faults).toEqual([
          expect.objectContaining({ code: 'FAULT_STORE_CORRUPT', message: refused("'fac'") }),
        ]);
        faults.length = 0;
      }
      rmSync(chainFile);
      expect([later(), faults.length]).toEqual([before, 1]);
      writeFileSync(chainFile, whole);
      expect(later().parent).toBe('reg2');
      expect(faults).toHaveLength(1);
    });

    it('is stopped all the same by what the CAs above it revoke', async () => {
      const { later } = await serving();
      await revoke('oem', 'fac', 'cessationOfOperation');
      writeFileSync(issuerPathsOf(data, 'fac').chainFile, 'not PEM');
      expect(refusalOf(later(), nowMs)).toEqual(refused('CN=fac, cessationOfOperation'));
      expect(faults).toHaveLength(1);
    });

    it('keeps its certificate where the folder has that of another key, or a chain that does not verify', async () => {
      const { before, later } = await serving();
      const { chainFile } = issuerPathsOf(data, 'fac');
      const chain = readFileSync(chainFile, 'utf8');
      writeFileSync(chainFile, readFileSync(issuerPathsOf(data, 'away').chainFile));
      expect(later()).toBe(before);
      expect(faults.map(({ message }) => message)).toEqual([refused('another key or subject')]);
      const [own, ...above] = certificatesInPem(chain);
      const forged = Buffer.from(own!);
      forged[forged.length - 1]! ^= 1;
      writeFileSync(chainFile, pemOfCertificates([forged, ...above]));
      expect(later()).toBe(before);
      expect(faults).toHaveLength(2);
      writeFileSync(chainFile, chain);
      expect(later()).toBe(before);
      expect(faults).toHaveLength(2);
    });

    it('signs nothing, and its chunks wait, while the record of a CA above cannot be read', async () => {
      const { catalogue, later } = await serving();
      const record = join(data, 'ca/oem', revokedCasFileName);
      writeFileSync(record, '{"formatVersion": 1, "revo');
      // Tenants are told this, and no path.
      expect(refusalOf(later(), nowMs)).toBe(
        'cannot be judged now: a CA above it, or a CRL, cannot be read',
      );
      let code: unknown;
      try {
        catalogue.assertSigns('fac', nowMs);
      } catch (error) {
        code = (error as CertmillError).code;
      }
      expect(code).toBe('FAULT_ISSUER_UNKNOWN');
      expect(refusalOf(catalogue.find('away')!, nowMs)).toBeUndefined();
      expect(faults).toHaveLength(1);
      rmSync(record);
      expect(refusalOf(later(), nowMs)).toBeUndefined();
      await revoke('oem', 'fac', 'superseded');
      expect(refusalOf(later(), nowMs)).toEqual(refused('CN=fac, superseded'));
    });
  });

  it.each([
    [
      'a folder in the place of a CRL',
      'ca-crls/far.pem',
      () => mkdirSync(join(data, 'ca-crls/far.pem')),
    ],
    [
      'a file in the place of their folder',
      'ca-crls',
      () => writeFileSync(join(data, 'ca-crls'), ''),
    ],
    [
      'a folder that leads to itself',
      'ca-crls',
      () => symlinkSync('ca-crls', join(data, 'ca-crls')),
    ],
    [
      'a damaged CRL',
      'ca-crls/far.pem',
      () => writeFileSync(join(data, 'ca-crls/far.pem'), 'no PEM'),
    ],
  ])('is asked for later while %s hides what is revoked', async (_, path, put) => {
    const { catalogue, before, later } = await serving();
    const policy = issuingPolicy(catalogue, { nowMs: () => nowMs });
    const order = { tenant: 'acme', orderId: 'o' };
    const clients = builtInProfiles().get('tls-client')!;
    if (path !== 'ca-crls') mkdirSync(join(data, 'ca-crls'));
    put();
    expect(later().isUnjudged).toBe(true);
    expect(faults.map(({ message }) => message)).toContainEqual(refused(path));
    const asked = [
      () => policy.batchRefusal('fac', order, clients),
      () => policy.orderRefusal('fac', order, clients),
      () => policy.defaultIssuerOf('acme'),
      () => catalogue.assertSigns('fac', nowMs),
      () => policy.admit('acme', clients),
    ];
    for (const ask of asked) {
      await expect(Promise.resolve().then(ask)).rejects.toMatchObject({
        code: 'FAULT_ISSUER_UNKNOWN',
      });
    }
    rmSync(join(data, 'ca-crls'), { recursive: true });
    expect(refusalOf(later(), nowMs)).toBeUndefined();
    expect(later().chainDer).toEqual(before.chainDer);
    expect(policy.batchRefusal('fac', order, clients)).toBeUndefined();
    expect(policy.defaultIssuerOf('acme')).toBe('away');
  });

  it.each(['as a CA by another name', 'former', 'alternative', 'issued'])(
    'is revoked once a certificate over its key comes that a CRL has listed as lost: %s',
    async (where) => {
      const medium = place('root', join(folder, 'medium'));
      const requestPem = await requestRenewal(place('away'));
      const { chainDer } = await signAuthorityRequest({ requestPem, parent: medium, nowMs });
      const [certificateDer = new Uint8Array()] = chainDer;
      const serial = Buffer.from(readCaCertificate(certificateDer, 'it').serialNumber);
      const { serialNumberHex } = await loadIssuer(data, 'away');
      // The root lists this one alone.
      rmSync(join(medium.directory, 'ca/root/issued', `${serialNumberHex}.pem`));
      const far = join(data, 'ca/far');
      if (where === 'issued') cpSync(join(medium.directory, 'ca/root'), far, { recursive: true });
      rmSync(join(far, 'key.pem'), { force: true });
      rmSync(join(far, 'issued'), { recursive: true, force: true });
      const revocation = { parent: 'root', reason: 'keyCompromise', certificateDer } as const;
      await revokeAuthority({ directory: medium.directory, nowMs, ...revocation });
      const { der: crlDer } = await issueCaCrl(medium, 86_400, nowMs);
      await importCaCrl({ directory: data, crlDer, name: 'far', nowMs });
      const { later } = await serving('away');
      expect(refusalOf(later(), nowMs)).toBeUndefined();
      const pem = pemOfCertificates(chainDer);
      if (where === 'as a CA by another name') {
        cpSync(join(data, 'ca/away'), join(data, 'beside'), { recursive: true });
        rmSync(join(data, 'beside/chain.sha256'));
        writeFileSync(join(data, 'beside/chain.pem'), pem);
        renameSync(join(data, 'beside'), join(data, 'ca/twin'));
      } else {
        const kept = join(where === 'issued' ? far : join(data, 'ca/away'), where);
        mkdirSync(kept);
        writeFileSync(join(kept, `${serial.toString('hex')}.pem`), pem);
      }
      const refusal = refusalOf(later(), nowMs);
      expect(refusal).toEqual(refused('CN=away, keyCompromise'));
      expect(refusalOf(await loadIssuer(data, 'away'), nowMs)).toEqual(refusal);
      expect(faults).toEqual([]);
    },
  );

  it('is stopped by what is recorded of it in any folder of the CA above it, by whichever name', async () => {
    const { later } = await serving();
    const copy = join(data, 'beside');
    cpSync(join(data, 'ca/oem'), copy, { recursive: true });
    rmSync(join(copy, 'key.pem'));
    renameSync(copy, join(data, 'ca/oem-copy'));
    expect(refusalOf(later(), nowMs)).toBeUndefined();
    await revokeAuthority({
      ...{ directory: data, parent: 'oem-copy', reason: 'superseded', nowMs },
      certificateDer: later().chainDer[0]!,
    });
    expect(refusalOf(await loadIssuer(data, 'fac'), nowMs)).toEqual(refused('CN=fac, superseded'));
    expect(refusalOf(later(), nowMs)).toEqual(refused('CN=fac, superseded'));
    // The CRL is made where the key is, and says so too.
    const { serialNumberHex } = await loadIssuer(data, 'fac');
    const listing = join(folder, 'oem.crl');
    writeFileSync(listing, (await issueCaCrl(place('oem'), 86_400, nowMs)).der);
    const crl = spawnSync('openssl', ['crl', '-inform', 'DER', '-in', listing, '-noout', '-text']);
    expect(crl.stdout.toString().toLowerCase()).toContain(`serial number: ${serialNumberHex}`);
    writeFileSync(join(data, 'ca/oem-copy', revokedCasFileName), '{');
    await expect(loadIssuer(data, 'fac')).rejects.toMatchObject({ code: 'FAULT_STORE_CORRUPT' });
    expect(refusalOf(later(), nowMs)).toEqual(refused('CN=fac, superseded'));
  });

  it('is stopped by a CA above it whose folder came while the process began', async () => {
    const medium = join(folder, 'medium');
    const issuers = await loadIssuers(data);
    const { chainDer } = issuers.find(({ name }) => name === 'away')!;
    await revokeAuthority({
      ...{ directory: medium, parent: 'root', reason: 'superseded', nowMs },
      certificateDer: chainDer[0]!,
    });
    cpSync(join(medium, 'ca/root'), join(data, 'ca/far'), { recursive: true });
    const catalogue = new IssuerCatalogue({
      ...{ dataDirectory: data, issuers, configured: undefined, keyless: 'left-out' },
      elapsedMs: () => elapsedMs,
    });
    expect(refusalOf(catalogue.find('away')!, nowMs)).toEqual(refused('CN=away, superseded'));
    expect(refusalOf(catalogue.find('fac')!, nowMs)).toBeUndefined();
  });

  describe('beside a damaged CRL of a root that is elsewhere', () => {
    const file = () => join(data, 'ca-crls/far.pem');
    /** That of the root above `away`, which may have revoked it. */
    const taken = async (): Promise<string> => {
      const medium = join(folder, 'medium');
      const { der: crlDer } = await issueCaCrl(place('root', medium), 86_400, nowMs);
      await importCaCrl({ directory: data, crlDer, name: 'far', nowMs });
      return readFileSync(file(), 'utf8');
    };
    const inCrl = (text: string) => text.replace(/(BEGIN X509 CRL-----\n.{40})./, '$1!');
    /** One bit of the key in the certificate that says whose CRL it is, too. */
    const inKey = (text: string) => {
      const [der = new Uint8Array()] = certificatesInPem(text);
      const other = Buffer.from(der);
      const { spkiDer } = identityOf(der)!;
      other[other.indexOf(spkiDer) + spkiDer.length - 1]! ^= 1;
      return `${pemOfCertificates([other])}${inCrl(text.slice(text.indexOf('-----BEGIN X509')))}\n`;
    };
    const standing = (catalogue: IssuerCatalogue) => {
      elapsedMs += 1_000;
      return ['fac', 'away'].map((name) => {
        return refusalOf(catalogue.find(name)!, nowMs) === undefined ? 'signs' : 'waits';
      });
    };

    it.each<[string, (text: string) => string, readonly string[]]>([
      ['changed in its list', inCrl, ['signs', 'waits']],
      ['cut off in its list', (text) => text.slice(0, -60), ['signs', 'waits']],
      [
        'without a list',
        (text) => text.slice(0, text.indexOf('-----BEGIN X509')),
        ['signs', 'waits'],
      ],
      ['that may be of any CA: its key is another', inKey, ['waits', 'waits']],
      [
        'that may be of any CA: it has no certificate',
        (text) => text.slice(30),
        ['waits', 'waits'],
      ],
      ['that may be of any CA: it is empty', () => '', ['waits', 'waits']],
    ])('%s, waits where that may have revoked it', async (_, damaged, expected) => {
      const text = await taken();
      const catalogue = await open();
      expect(standing(catalogue)).toEqual(['signs', 'signs']);
      const put = (content: string) => {
        writeFileSync(`${file()}.tmp`, content);
        renameSync(`${file()}.tmp`, file());
      };
      put(damaged(text));
      expect(standing(catalogue)).toEqual(expected);
      expect(faults[0]?.message).toContain(file());
      expect(faults[0]?.message).toContain('is damaged: put a copy of it back');
      // A start is refused where an issuer could be revoked, and says by which file.
      await expect(loadIssuers(data)).rejects.toMatchObject({
        code: 'FAULT_STORE_CORRUPT',
        message: refused(file()),
      });
      put(text);
      expect(standing(catalogue)).toEqual(['signs', 'signs']);
      await revokeAuthority({
        ...{ directory: join(folder, 'medium'), parent: 'root', reason: 'superseded', nowMs },
        certificateDer: catalogue.find('away')!.chainDer[0]!,
      });
      put(await taken());
      expect(refusalOf(catalogue.find('away')!, nowMs)).toBeUndefined();
      expect(standing(catalogue)).toEqual(['signs', 'waits']);
      // What is known to be revoked stays so.
      put(damaged(text));
      expect(standing(catalogue)).toEqual([expected[0], 'waits']);
      expect(refusalOf(catalogue.find('away')!, nowMs)).toEqual(refused('CN=away, superseded'));
    });

    it('goes on where it stands not below that root, and the file is told while it stays', async () => {
      const text = await taken();
      rmSync(join(data, 'ca/away'), { recursive: true });
      writeFileSync(file(), inCrl(text));
      const { later } = await serving();
      expect(refusalOf(later(), nowMs)).toBeUndefined();
      const told = faults.map(({ message }) => message);
      expect(told).toEqual([refused(`${file()}, the CRL of CN=Far root, is damaged`)]);
      elapsedMs += 60_000;
      later();
      expect(faults).toHaveLength(2);
      const [end] = new CaCrlEnds(data, { namesAbove: () => [] }).list();
      expect(end).toMatchObject({ ca: 'far', nextUpdateMs: 0 });
    });
  });

  describe('and is followed by one with a new key', () => {
    const clock = { nowMs: () => nowMs };
    const rekey = () =>
      rekeyAuthority({
        ...{ directory: data, name: 'fac', successor: 'fac-2', passphrase, nowMs },
        parent: place('oem'),
      });
    beforeEach(() => {
      rmSync(join(data, 'ca/away'), { recursive: true });
    });

    it('leaves orders that name no issuer to that one, though nobody has named it', async () => {
      const policy = issuingPolicy(await open(), clock);
      expect(policy.defaultIssuerOf('acme')).toBe('fac');
      await rekey();
      elapsedMs += 1_000;
      expect(policy.defaultIssuerOf('acme')).toBe('fac-2');
      await closeIssuer({ directory: data, name: 'fac-2', nowMs });
      elapsedMs += 1_000;
      expect(() => policy.defaultIssuerOf('acme')).toThrow("'fac-2' is given up");
    });

    it('admits profiles under that one, though nobody has named it', async () => {
      const policy = issuingPolicy(await open(), clock);
      await rekey();
      elapsedMs += 1_000;
      const profile = builtInProfiles().get('tls-client')!;
      await expect(policy.admit('acme', profile)).resolves.toBeUndefined();
    });

    it('says which one to add where the configuration does not name that', async () => {
      const policy = issuingPolicy(await open({ fac: { tenants: 'all' } }), clock);
      await rekey();
      elapsedMs += 1_000;
      expect(() => policy.defaultIssuerOf('acme')).toThrow(
        /'fac' is retired: 'fac-2' has its subject and a new key, but is not served here; .*issuers/,
      );
    });
  });
});
