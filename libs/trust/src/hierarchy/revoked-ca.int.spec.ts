import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { RevocationReason } from '@certmill/domain';
import { pemEncode } from '@certmill/der';
import { decryptPrivateKey } from '../keys/encrypted-private-key.js';
import { certificatesInPem, pemOfCertificates, readCaCertificate } from './ca-certificate.js';
import { crossCertify } from './cross-certify.js';
import { distinguishedNameDer } from './distinguished-name.js';
import { importCaCrl } from './import-ca-crl.js';
import { importIssuer } from './import-issuer.js';
import { createRoot, issueAuthority } from './issue-authority.js';
import { issueCaCrl } from './issue-ca-crl.js';
import { IssuerCatalogue } from './issuer-catalogue.js';
import { loadAuthorities, loadIssuer, loadIssuers, refusalOf } from './load-issuers.js';
import { keySha256Of } from './lost-keys.js';
import { authorityIn, type AuthorityPlace } from './open-authority.js';
import { rekeyRoot } from './rekey-root.js';
import { rekeyAuthority, renewAuthority } from './renew-authority.js';
import {
  completeAuthority,
  requestAuthority,
  requestRekey,
  requestRenewal,
  signAuthorityRequest,
} from './request-authority.js';
import { assertSameReason, type CaRevocationOutcome, revokeAuthority } from './revoke-authority.js';
import { StatusAuthorities } from './status-authorities.js';

const passphrase = 'only for this test';
const nowMs = Math.floor(Date.now() / 1_000) * 1_000;
const yearS = 365 * 86_400;

/** Needs openssl on the PATH. */
describe('a CA that is revoked', () => {
  let made: string;
  let folder: string;
  let data: string;
  let other: string;
  /** Serial numbers of the CA: its first, from a renewal that was killed, in force. */
  let serials: readonly [string, string, string];
  const named = (value: string) => distinguishedNameDer([{ type: 'commonName', value }]);
  beforeAll(async () => {
    made = mkdtempSync(join(tmpdir(), 'certmill-revoked-ca-'));
    const [here, there] = [join(made, 'data'), join(made, 'other')];
    const common = { passphrase, keyType: 'ec-p256' as const };
    const root = { directory: here, name: 'root', passphrase };
    await createRoot({ ...common, directory: here, subjectDer: named('Root') }, nowMs);
    await createRoot({ ...common, directory: there, subjectDer: named('Other root') }, nowMs);
    const wish = { ...common, directory: here, name: 'line', subjectDer: named('line') };
    const lifetimeSeconds = 5 * yearS;
    const first = await issueAuthority(
      { ...wish, pathLenConstraint: 0, lifetimeSeconds },
      root,
      nowMs,
    );
    const renewal = { name: 'line', parent: root, nowMs };
    // Killed once the CA above had signed: nobody has that certificate, but its record.
    const dead = join(made, 'dead');
    cpSync(here, dead, { recursive: true });
    const lost = await renewAuthority({
      ...{ ...renewal, directory: dead, lifetimeSeconds: 7 * yearS },
      parent: { ...root, directory: dead },
    });
    const issued = join('ca/root/issued', `${lost.serialNumberHex}.pem`);
    cpSync(join(dead, issued), join(here, issued));
    rmSync(dead, { recursive: true });
    const inForce = await renewAuthority({
      ...renewal,
      directory: here,
      lifetimeSeconds: 8 * yearS,
    });
    serials = [first.serialNumberHex, lost.serialNumberHex, inForce.serialNumberHex];
  });
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'certmill-revoked-ca-'));
    cpSync(made, folder, { recursive: true });
    [data, other] = [join(folder, 'data'), join(folder, 'other')];
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  afterAll(() => rmSync(made, { recursive: true, force: true }));

  const place = (name: string, directory = data): AuthorityPlace => ({
    directory,
    name,
    passphrase,
  });
  const issuedFile = (serial: string): string => join(data, 'ca/root/issued', `${serial}.pem`);
  const derOf = (file: string): Uint8Array =>
    certificatesInPem(readFileSync(file, 'utf8'))[0] ?? new Uint8Array();
  const revoke = (
    reason: RevocationReason = 'keyCompromise',
    serial = serials[2],
    atMs = nowMs,
  ): Promise<CaRevocationOutcome> =>
    revokeAuthority({
      ...{ directory: data, parent: 'root', reason, nowMs: atMs },
      certificateDer: derOf(issuedFile(serial)),
    });
  const recordFile = (): string => join(data, 'ca/root/revoked-cas.json');
  /** As it was recorded before one revocation was of all certificates, and keys were kept. */
  const recordAsOnce = (
    serialNumberHex: string,
    reason: RevocationReason = 'keyCompromise',
  ): void => {
    const entry = { subject: 'CN=line', reason, revokedAtMs: nowMs, notAfterMs: nowMs };
    const revoked = [{ serialNumberHex, ...entry }];
    writeFileSync(recordFile(), JSON.stringify({ formatVersion: 1, revoked }));
  };
  const cross = () =>
    crossCertify({ directory: data, name: 'line', by: place('root', other), nowMs });
  /** What openssl says of each certificate of the CA, by the CRL that the root makes now. */
  const verdicts = async (): Promise<readonly string[]> => {
    const { der } = await issueCaCrl(place('root'), 86_400, nowMs);
    const crl = join(folder, 'root.crl');
    writeFileSync(crl, pemEncode('X509 CRL', der));
    return serials.map((serial) => {
      const { stdout, stderr } = spawnSync('openssl', [
        ...['verify', '-x509_strict', '-extended_crl', '-crl_check_all', '-CRLfile', crl],
        ...['-CAfile', join(data, 'ca/root/certificate.pem'), issuedFile(serial)],
      ]);
      return (
        /: OK|certificate revoked/.exec(`${String(stdout)}${String(stderr)}`)?.[0] ?? String(stderr)
      );
    });
  };
  const all = ['certificate revoked', 'certificate revoked', 'certificate revoked'];

  it('is so with every certificate over its key that its CA signed, as openssl sees it', async () => {
    expect(await verdicts()).toEqual([': OK', ': OK', ': OK']);
    const { revoked, others, isNew } = await revoke();
    expect([revoked.serialNumberHex, isNew]).toEqual([serials[2], true]);
    expect(new Set(others.map(({ serialNumberHex }) => serialNumberHex))).toEqual(
      new Set(serials.slice(0, 2)),
    );
    expect(await verdicts()).toEqual(all);
    const record = readFileSync(recordFile());
    // By whichever certificate it is named: nothing is left to be done.
    for (const serial of serials) {
      expect(await revoke('keyCompromise', serial)).toMatchObject({ isNew: false });
    }
    expect(readFileSync(recordFile())).toEqual(record);
  });

  it.each<RevocationReason>(['keyCompromise', 'cessationOfOperation'])(
    'where one certificate was revoked before for %s, is so with the rest once it is typed again',
    async (reason) => {
      recordAsOnce(serials[2], reason);
      // Of the one before the time stays; that the key is lost takes the place of another reason.
      const outcome = await revoke('keyCompromise', serials[2], nowMs + 60_000);
      expect(outcome).toMatchObject({ isNew: true, revoked: { revokedAtMs: nowMs } });
      const { revokedCas } = await authorityIn(data, 'root');
      expect(revokedCas.map((entry) => [entry.revokedAtMs, entry.reason])).toEqual(
        [nowMs, nowMs + 60_000, nowMs + 60_000].map((atMs) => [atMs, 'keyCompromise']),
      );
      // And no other reason that of a key that is lost.
      const other = await revoke('superseded');
      expect(other).toMatchObject({ isNew: false, revoked: { reason: 'keyCompromise' } });
      expect(() => {
        assertSameReason(other, 'superseded');
      }).toThrow('that stays as it is');
      expect(await verdicts()).toEqual(all);
    },
  );

  it('stays good where another CA vouches for it, which is told, until that one revokes it', async () => {
    const { file, chainDer } = await cross();
    const { notCovered } = await revoke();
    expect(notCovered).toMatchObject([{ file, signer: undefined }]);
    await revokeAuthority({
      ...{ directory: other, parent: 'root', reason: 'keyCompromise', nowMs },
      certificateDer: chainDer[0] ?? new Uint8Array(),
    });
    expect((await authorityIn(other, 'root')).revokedCas).toHaveLength(1);
  });

  it('is so whatever else in the folder is damaged, which is told', async () => {
    const broken = join(data, 'ca/root/issued/7f01.pem');
    writeFileSync(broken, '-----BEGIN CERTIFICATE-----\nMIIB');
    expect(await revoke()).toMatchObject({ unread: [broken], others: [{}, {}] });
    expect(await verdicts()).toEqual(all);
  });

  it.each<[RevocationReason, string]>([
    ['keyCompromise', 'as it is recorded now'],
    ['cACompromise', 'as it was recorded once'],
    ['superseded', 'as it is recorded now'],
    ['keyCompromise', 'by the record alone'],
  ])('for %s gets no certificate over its key again, %s', async (reason, how) => {
    const requestPem = await requestRenewal(place('line'));
    const away = join(folder, 'away');
    cpSync(data, away, { recursive: true });
    if (how === 'as it was recorded once') recordAsOnce(serials[0], reason);
    else await revoke(reason);
    // An export of long ago, or a CA that was taken in with its key.
    if (how === 'by the record alone') for (const serial of serials) rmSync(issuedFile(serial));
    const refused = expect.objectContaining({
      code: 'CONFLICT',
      message: expect.stringContaining('certmill ca rekey') as string,
    }) as unknown;
    const ways = [
      () => requestRenewal(place('line')),
      () => signAuthorityRequest({ requestPem, parent: place('root'), nowMs }),
      () => renewAuthority({ directory: data, name: 'line', parent: place('root'), nowMs }),
      // From a folder that has not heard of it.
      () => renewAuthority({ directory: away, name: 'line', parent: place('root'), nowMs }),
      () => crossCertify({ directory: away, name: 'line', by: place('root'), nowMs }),
    ];
    const before = readdirSync(join(data, 'ca/root/issued'));
    for (const way of ways) await expect(way()).rejects.toEqual(refused);
    expect(readdirSync(join(data, 'ca/root/issued'))).toEqual(before);
    const rekeyed = await rekeyAuthority({
      ...{ directory: data, name: 'line', successor: 'line-2', parent: place('root') },
      ...{ passphrase, nowMs },
    });
    expect(refusalOf(rekeyed, nowMs)).toBeUndefined();
  });

  it('is not vouched for by another CA of the folder where its key is lost', async () => {
    await revoke();
    const away = join(folder, 'away');
    cpSync(made, away, { recursive: true });
    await issueAuthority(
      {
        ...{ name: 'mid', directory: data, passphrase, keyType: 'ec-p256' },
        ...{ subjectDer: named('mid'), pathLenConstraint: 1 },
      },
      place('root'),
      nowMs,
    );
    const crossing = crossCertify({
      ...{ directory: join(away, 'data'), name: 'line', by: place('mid'), nowMs },
    });
    await expect(crossing).rejects.toThrow("CA 'root' has revoked CN=line with this key");
  });

  it('does not come back with a certificate that was signed before, or had been in force', async () => {
    const requestPem = await requestRenewal(place('line'));
    const { chainDer } = await signAuthorityRequest({ requestPem, parent: place('root'), nowMs });
    const { chainFile } = await loadIssuer(data, 'line');
    const inForce = readFileSync(chainFile);
    await revoke();
    const root = readFileSync(join(data, 'ca/root/certificate.pem'), 'utf8');
    const chains = [
      pemOfCertificates(chainDer),
      readFileSync(join(data, 'ca/line/former', `${serials[0]}.pem`), 'utf8') + root,
    ];
    for (const chainPem of chains) {
      const completing = completeAuthority({ ...place('line'), chainPem, nowMs });
      await expect(completing).rejects.toMatchObject({
        code: 'CONFLICT',
        message: expect.stringContaining('is revoked: CN=line, keyCompromise') as string,
      });
    }
    expect(readFileSync(chainFile)).toEqual(inForce);
  });

  it('counts as revoked with any other certificate over a key that is lost, OCSP too', async () => {
    const authorities = new StatusAuthorities({
      ...{ dataDirectory: data, authorities: await loadAuthorities(data), elapsedMs: () => 0 },
      catalogue: new IssuerCatalogue({
        ...{ dataDirectory: data, issuers: await loadIssuers(data), configured: undefined },
        ...{ keyless: 'left-out', elapsedMs: () => 0 },
      }),
    });
    const statusOf = (from: StatusAuthorities, serial: string) =>
      from.caStatus('root', Buffer.from(serial, 'hex'), nowMs);
    expect(statusOf(authorities, serials[2])).toMatchObject({ status: { kind: 'good' } });
    recordAsOnce(serials[0]);
    expect(refusalOf(await loadIssuer(data, 'line'), nowMs)).toContain('CN=line, keyCompromise');
    expect(await verdicts()).toEqual(all);
    const later = new StatusAuthorities({
      ...{ dataDirectory: data, authorities: await loadAuthorities(data), elapsedMs: () => 0 },
      catalogue: new IssuerCatalogue({
        ...{ dataDirectory: data, issuers: await loadIssuers(data), configured: undefined },
        ...{ keyless: 'left-out', elapsedMs: () => 0 },
      }),
    });
    for (const serial of serials) {
      expect(statusOf(later, serial)).toMatchObject({
        status: { kind: 'revoked', reasonNumber: 1 },
      });
    }
  });

  it.each<[RevocationReason, RegExp | undefined]>([
    ['keyCompromise', /CN=line, keyCompromise/],
    ['superseded', undefined],
  ])(
    'by the CRL of an offline root that lists a former certificate for %s',
    async (reason, refusal) => {
      recordAsOnce(serials[0], reason);
      // A root of somebody else lists what it wants.
      rmSync(issuedFile(serials[1]));
      rmSync(issuedFile(serials[2]));
      const { der: crlDer } = await issueCaCrl(place('root'), 86_400, nowMs);
      const plant = join(folder, 'plant');
      cpSync(join(made, 'data/ca/line'), join(plant, 'ca/line'), { recursive: true });
      const { revoked } = await importCaCrl({ directory: plant, crlDer, name: 'root', nowMs });
      const line = await loadIssuer(plant, 'line');
      const at = { directory: plant, name: 'line', passphrase };
      if (refusal === undefined) {
        expect(refusalOf(line, nowMs)).toBeUndefined();
        expect(revoked).toEqual([]);
        await expect(requestRenewal(at)).resolves.toContain('CERTIFICATE REQUEST');
        return;
      }
      expect(refusalOf(line, nowMs)).toMatch(refusal);
      expect(revoked.map(({ name }) => name)).toEqual(['line']);
      await expect(requestRenewal(at)).rejects.toMatchObject({ code: 'CONFLICT' });
      await expect(
        requestRekey({ directory: plant, name: 'line-2', rekeys: 'line', passphrase }),
      ).resolves.toBeDefined();
      const statuses = new StatusAuthorities({
        ...{ dataDirectory: plant, authorities: await loadAuthorities(plant), elapsedMs: () => 0 },
        catalogue: new IssuerCatalogue({
          ...{ dataDirectory: plant, issuers: await loadIssuers(plant), configured: undefined },
          ...{ keyless: 'left-out', elapsedMs: () => 0 },
        }),
      });
      for (const serial of [serials[0], serials[2]]) {
        expect(statuses.caStatus('root', Buffer.from(serial, 'hex'), nowMs)).toMatchObject({
          status: { kind: 'revoked', reasonNumber: 1 },
        });
      }
    },
  );

  describe('whose key is lost by the CRL of a root that is elsewhere', () => {
    let plant: string;
    /** Another folder with the keys of both roots, which has heard of nothing. */
    let away: string;
    beforeEach(() => {
      [plant, away] = [join(folder, 'plant'), join(folder, 'away')];
      cpSync(made, away, { recursive: true });
      cpSync(join(data, 'ca/line'), join(plant, 'ca/line'), { recursive: true });
      cpSync(join(other, 'ca/root'), join(plant, 'ca/root'), { recursive: true });
    });
    const importListing = async (serial: string, reason: RevocationReason): Promise<void> => {
      recordAsOnce(serial, reason);
      // A root of somebody else lists what it wants.
      for (const one of serials) if (one !== serial) rmSync(issuedFile(one));
      const { der: crlDer } = await issueCaCrl(place('root'), 86_400, nowMs);
      await importCaCrl({ directory: plant, crlDer, name: 'first', nowMs });
    };
    const ways = async (): Promise<readonly (() => Promise<unknown>)[]> => {
      const requestPem = await requestRenewal(place('line', join(away, 'data')));
      const parent = place('root', join(away, 'other'));
      const { chainDer } = await signAuthorityRequest({ requestPem, parent, nowMs });
      const chainPem = pemOfCertificates(chainDer);
      const keyPem = readFileSync(join(plant, 'ca/line/key.pem'), 'utf8');
      const into = { directory: plant, passphrase, chainPem, nowMs };
      return [
        () => signAuthorityRequest({ requestPem, parent: place('root', plant), nowMs }),
        () =>
          crossCertify({
            ...{ directory: join(away, 'data'), name: 'line', by: place('root', plant), nowMs },
          }),
        () => completeAuthority({ ...into, name: 'line', mayEndEarlier: true }),
        () => importIssuer({ ...into, name: 'again', keyPem, keyPassphrase: passphrase }),
      ];
    };

    it.each([
      ['the certificate in force', 2],
      ['a former certificate', 0],
      ['one that another CA of the folder has kept', 1],
    ] as const)('gets no certificate from any CA of the folder: %s is listed', async (_, which) => {
      const kept = join(plant, 'ca/root/issued', `${serials[1]}.pem`);
      mkdirSync(dirname(kept), { recursive: true });
      cpSync(issuedFile(serials[1]), kept);
      await importListing(serials[which], 'keyCompromise');
      for (const way of await ways()) {
        await expect(way()).rejects.toMatchObject({
          code: 'CONFLICT',
          message: expect.stringMatching(/CN=line.*keyCompromise/) as string,
        });
      }
      expect(readdirSync(join(plant, 'ca')).sort()).toEqual(['.lock', 'line', 'root']);
    });

    const importTwin = async (): Promise<void> => {
      const root = readFileSync(join(data, 'ca/root/certificate.pem'), 'utf8');
      const keyPem = readFileSync(join(plant, 'ca/line/key.pem'), 'utf8');
      await importIssuer({
        ...{ name: 'twin', directory: plant, passphrase, keyPem, keyPassphrase: passphrase, nowMs },
        chainPem: readFileSync(issuedFile(serials[1]), 'utf8') + root,
      });
    };

    it.each([
      ['the one in force', 2],
      ['a former one', 0],
    ] as const)('counts as revoked under each name that it has: %s is listed', async (_, which) => {
      await importTwin();
      await importListing(serials[which], 'keyCompromise');
      for (const ca of [await loadIssuer(plant, 'twin'), ...(await loadIssuers(plant))]) {
        expect(refusalOf(ca, nowMs)).toContain('CN=line, keyCompromise');
      }
    });

    it.each([
      ['ca.json', '{'],
      ['revoked-cas.json', '{'],
      ['chain.pem', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'],
    ])(
      'is judged by what can be read of its other name: %s is damaged there',
      async (file, text) => {
        await importTwin();
        await importListing(serials[1], 'keyCompromise');
        const damaged = join(plant, 'ca/twin', file);
        const [own = ''] =
          file === 'chain.pem'
            ? readFileSync(damaged, 'utf8').split(/(?<=END CERTIFICATE-----\n)/)
            : [];
        writeFileSync(damaged, own + text);
        await expect(loadIssuer(plant, 'twin')).rejects.toMatchObject({
          code: 'FAULT_STORE_CORRUPT',
        });
        const refusal = refusalOf(await loadIssuer(plant, 'line'), nowMs);
        expect(refusal).toContain('CN=line, keyCompromise');
      },
    );

    it('is known from others: one that is retired comes under another CA', async () => {
      await importListing(serials[0], 'superseded');
      const [sign, cross, complete] = await ways();
      for (const way of [sign, cross, complete]) await expect(way?.()).resolves.toBeDefined();
    });

    it('is not where a certificate of another CA has the serial number', async () => {
      await importListing(serials[0], 'keyCompromise');
      const former = join(plant, 'ca/line/former', `${serials[0]}.pem`);
      cpSync(join(plant, 'ca/root/certificate.pem'), former);
      const [sign] = await ways();
      await expect(sign?.()).resolves.toBeDefined();
    });
  });

  it('for a key that no record has, gets none from another CA of the folder while a certificate of it is there', async () => {
    recordAsOnce(serials[0]);
    for (const serial of serials) rmSync(issuedFile(serial));
    cpSync(join(other, 'ca/root'), join(data, 'ca/second'), { recursive: true });
    const requestPem = await requestRenewal(place('line', join(made, 'data')));
    const signing = signAuthorityRequest({ requestPem, parent: place('second'), nowMs });
    await expect(signing).rejects.toThrow("CA 'root' has revoked CN=line with this key");
  });

  it.each<RevocationReason>(['keyCompromise', 'superseded'])(
    'for %s gets no certificate from the root with the new key, whose CRL does not list it',
    async (reason) => {
      const requestPem = await requestRenewal(place('line'));
      const next = join(folder, 'next');
      const rekey = () =>
        rekeyRoot({
          ...{ from: place('root'), into: { directory: next, passphrase }, nowMs },
        });
      const sign = (directory: string) =>
        signAuthorityRequest({ requestPem, parent: place('root', directory), nowMs });
      await rekey();
      await expect(sign(next)).resolves.toBeDefined();
      await revoke(reason);
      // Typed again, it hears of what was revoked since; and so does the one after it.
      await rekey();
      await expect(sign(next)).rejects.toThrow('has revoked CN=line with this key');
      const last = join(folder, 'last');
      await rekeyRoot({
        ...{ from: place('root', next), into: { directory: last, passphrase }, nowMs },
      });
      await expect(sign(last)).rejects.toThrow('has revoked CN=line with this key');
      expect((await issueCaCrl(place('root', last), 86_400, nowMs)).entries).toBe(0);
    },
  );

  it('gets no certificate from the next root where that was given a copy of the record', async () => {
    const requestPem = await requestRenewal(place('line'));
    await revoke('superseded');
    const next = join(folder, 'next');
    const root = { passphrase, keyType: 'ec-p256' as const, subjectDer: named('Root') };
    await createRoot({ ...root, directory: next }, nowMs);
    cpSync(recordFile(), join(next, 'ca/root/revoked-before.json'));
    const signing = signAuthorityRequest({ requestPem, parent: place('root', next), nowMs });
    await expect(signing).rejects.toThrow('has revoked CN=line with this key');
    expect((await issueCaCrl(place('root', next), 86_400, nowMs)).entries).toBe(0);
  });

  it('and is a root vouches for no new key of its own where its key is lost', async () => {
    const { chainDer } = await crossCertify({
      ...{ directory: data, name: 'root', by: place('root', other), nowMs },
    });
    await revokeAuthority({
      ...{ directory: other, parent: 'root', reason: 'cACompromise', nowMs },
      certificateDer: chainDer[0] ?? new Uint8Array(),
    });
    const second = join(data, 'ca/second');
    cpSync(join(other, 'ca/root'), second, { recursive: true });
    const next = join(folder, 'next');
    const rekeying = rekeyRoot({
      ...{ from: place('root'), into: { directory: next, passphrase }, nowMs },
    });
    await expect(rekeying).rejects.toThrow('make another root');
    expect(existsSync(next)).toBe(false);
  });

  describe('with one certificate, which is in force, and nothing is said of its key', () => {
    it.each(['the CRL', 'the renewal'])(
      'goes on with its renewal under a root that is elsewhere, whichever comes first: %s',
      async (first) => {
        const plant = join(folder, 'plant');
        cpSync(join(data, 'ca/line'), join(plant, 'ca/line'), { recursive: true });
        const at = { directory: plant, name: 'line', passphrase };
        const requestPem = await requestRenewal(at);
        const { chainDer } = await signAuthorityRequest({
          ...{ requestPem, parent: place('root'), nowMs },
        });
        recordAsOnce(serials[2], 'superseded');
        const { der: crlDer } = await issueCaCrl(place('root'), 86_400, nowMs);
        const steps = [
          () => importCaCrl({ directory: plant, crlDer, name: 'root', nowMs }),
          () => completeAuthority({ ...at, chainPem: pemOfCertificates(chainDer), nowMs }),
        ];
        for (const step of first === 'the CRL' ? steps : steps.reverse()) await step();
        const line = await loadIssuer(plant, 'line');
        expect(refusalOf(line, nowMs)).toBeUndefined();
        const [crl, own] = [join(folder, 'root.crl'), join(folder, 'own.pem')];
        writeFileSync(crl, pemEncode('X509 CRL', crlDer));
        writeFileSync(own, pemOfCertificates(line.chainDer.slice(0, 1)));
        const verified = execFileSync('openssl', [
          ...['verify', '-x509_strict', '-crl_check_all', '-CRLfile', crl],
          ...['-CAfile', join(data, 'ca/root/certificate.pem'), own],
        ]);
        expect(String(verified)).toContain(': OK');
        // The one before is not good, and does not come back.
        const before = readFileSync(join(plant, 'ca/line/former', `${serials[2]}.pem`), 'utf8');
        const root = readFileSync(join(data, 'ca/root/certificate.pem'), 'utf8');
        const back = completeAuthority({ ...at, chainPem: before + root, nowMs });
        await expect(back).rejects.toMatchObject({ code: 'CONFLICT' });
      },
    );

    it('signs nothing, and is renewed in its folder', async () => {
      recordAsOnce(serials[2], 'superseded');
      expect(refusalOf(await loadIssuer(data, 'line'), nowMs)).toContain('superseded');
      const renewed = await renewAuthority({
        ...{ directory: data, name: 'line', parent: place('root'), nowMs },
      });
      expect(refusalOf(renewed, nowMs)).toBeUndefined();
      expect(await verdicts()).toEqual([': OK', ': OK', 'certificate revoked']);
    });

    it('is not renewed under a CA that only its own folder knows to be revoked', async () => {
      await issueAuthority(
        {
          ...{ name: 'mid', directory: data, passphrase, keyType: 'ec-p256' as const },
          ...{ subjectDer: named('mid'), pathLenConstraint: 1 },
        },
        place('root'),
        nowMs,
      );
      const wish = { directory: data, passphrase, keyType: 'ec-p256' as const };
      const leaf = { ...wish, name: 'leaf', subjectDer: named('leaf'), pathLenConstraint: 0 };
      await issueAuthority(leaf, place('mid'), nowMs);
      const away = join(folder, 'away');
      cpSync(data, away, { recursive: true });
      await revokeAuthority({
        ...{ directory: data, parent: 'root', reason: 'cessationOfOperation', nowMs },
        certificateDer: (await authorityIn(data, 'mid')).chainDer[0] ?? new Uint8Array(),
      });
      const renewing = renewAuthority({
        ...{ directory: data, name: 'leaf', parent: place('mid', away), nowMs },
      });
      await expect(renewing).rejects.toThrow("CA 'mid' is revoked: CN=mid, cessationOfOperation");
    });
  });

  describe('where one certificate is named that is not in force', () => {
    const retire = (
      reason: RevocationReason = 'superseded',
      serial = serials[0],
    ): Promise<CaRevocationOutcome> =>
      revokeAuthority({
        ...{ directory: data, parent: 'root', reason, nowMs, mayBeAlone: true },
        certificateDer: derOf(issuedFile(serial)),
      });
    const renew = () =>
      renewAuthority({ directory: data, name: 'line', parent: place('root'), nowMs });

    it('stays good with the others, which are told, and goes on, until the CA is revoked', async () => {
      const requestPem = await requestRenewal(place('line'));
      const { isNew, others, notCovered } = await retire();
      expect([isNew, others]).toEqual([true, []]);
      const inForce = join(data, 'ca/line/certificate.pem');
      expect(
        notCovered.map(({ file, signer, inForceOf }) => [file, signer, inForceOf]).sort(),
      ).toEqual([
        [inForce, 'root', 'line'],
        [issuedFile(serials[1]), 'root', undefined],
      ]);
      expect(await verdicts()).toEqual(['certificate revoked', ': OK', ': OK']);
      expect(await retire()).toMatchObject({ isNew: false, others: [] });
      expect(refusalOf(await loadIssuer(data, 'line'), nowMs)).toBeUndefined();
      await signAuthorityRequest({ requestPem, parent: place('root'), nowMs });
      await renew();
      // All over the key: also for the one that was retired alone before.
      expect(await revoke('superseded')).toMatchObject({ isNew: true, notCovered: [] });
      expect(await verdicts()).toEqual(all);
      const { revokedCas } = await authorityIn(data, 'root');
      expect(revokedCas.every(({ keySha256 }) => keySha256 !== undefined)).toBe(true);
      const signing = signAuthorityRequest({ requestPem, parent: place('root'), nowMs });
      await expect(signing).rejects.toMatchObject({ code: 'CONFLICT' });
    });

    it('stays good where that was recorded once, whatever is typed again', async () => {
      recordAsOnce(serials[0], 'superseded');
      const record = readFileSync(recordFile());
      expect(await retire()).toMatchObject({ isNew: false, others: [] });
      expect(readFileSync(recordFile())).toEqual(record);
      expect(refusalOf(await renew(), nowMs)).toBeUndefined();
    });

    it.each<[string, RevocationReason, 0 | 2]>([
      ['the key is lost', 'keyCompromise', 0],
      ['it is in force after all', 'superseded', 2],
    ])('is so with all where %s', async (_, reason, which) => {
      await retire(reason, serials[which]);
      expect(await verdicts()).toEqual(all);
    });

    describe('and its renewal was killed before the chain was written', () => {
      const lineFile = (name: string): string => join(data, 'ca/line', name);
      beforeEach(async () => {
        const kept = ['chain.pem', 'chain.sha256'].map(
          (name) => [lineFile(name), readFileSync(lineFile(name))] as const,
        );
        await renew();
        for (const [file, content] of kept) writeFileSync(file, content);
      });

      it('nothing is revoked: it is in force still, until the renewal is typed again', async () => {
        expect((await loadIssuer(data, 'line')).serialNumberHex).toBe(serials[2]);
        await expect(retire('superseded', serials[2])).rejects.toThrow(
          "in force of CA 'line' still",
        );
        expect(existsSync(recordFile())).toBe(false);
        await renew();
        expect(await retire('superseded', serials[2])).toMatchObject({ isAlone: true });
        expect(await verdicts()).toEqual([': OK', ': OK', 'certificate revoked']);
        expect(refusalOf(await loadIssuer(data, 'line'), nowMs)).toBeUndefined();
      });

      it('all are revoked, the one that was on its way too, where the key is lost', async () => {
        expect((await retire('keyCompromise', serials[2])).others).toHaveLength(3);
        expect(await verdicts()).toEqual(all);
      });
    });

    it('is so with all where no CA of the folder has the key: nobody knows which is in force', async () => {
      rmSync(join(data, 'ca/line'), { recursive: true });
      await retire();
      expect(await verdicts()).toEqual(all);
    });
  });

  it('whose key was lost when no keys were recorded gets none over it once that is typed again', async () => {
    const requestPem = await requestRenewal(place('line'));
    recordAsOnce(serials[2]);
    const certificateDer = derOf(issuedFile(serials[2]));
    for (const serial of serials) rmSync(issuedFile(serial));
    rmSync(join(data, 'ca/line'), { recursive: true });
    const again = () =>
      revokeAuthority({
        ...{ directory: data, parent: 'root', reason: 'keyCompromise' as const },
        ...{ certificateDer, nowMs: nowMs + 60_000 },
      });
    expect(await again()).toMatchObject({ isNew: true, revoked: { revokedAtMs: nowMs } });
    const signing = signAuthorityRequest({ requestPem, parent: place('root'), nowMs });
    await expect(signing).rejects.toThrow('none is signed over it again');
    expect(await again()).toMatchObject({ isNew: false });
  });

  describe('with its key in another form', () => {
    const forms = [
      ['a compressed point', ['-conv_form', 'compressed']],
      ['a hybrid point', ['-conv_form', 'hybrid']],
      ['explicit parameters', ['-param_enc', 'explicit']],
    ] as const;
    const openssl = (...args: readonly string[]): void => {
      execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'], cwd: folder });
    };
    const writeKey = (name: string, as: string): void => {
      const pem = readFileSync(join(data, 'ca', name, 'key.pem'), 'utf8');
      const key = decryptPrivateKey(pem, passphrase, name);
      writeFileSync(join(folder, as), key.export({ format: 'pem', type: 'pkcs8' }));
    };

    it.each(forms)('is known as the same key, and %s is not taken in', async (_, form) => {
      await revoke();
      writeKey('line', 'plain.pem');
      writeKey('root', 'root.pem');
      openssl('ec', '-in', 'plain.pem', ...form, '-out', 'formed.pem');
      openssl('req', '-new', '-key', 'formed.pem', '-subj', '/CN=again', '-out', 'formed.csr');
      const requestPem = readFileSync(join(folder, 'formed.csr'), 'utf8');
      openssl('req', '-in', 'formed.csr', '-noout', '-verify');
      await expect(
        signAuthorityRequest({ requestPem, parent: place('root', other), nowMs }),
      ).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        message: expect.stringContaining('RFC 5480') as string,
      });
      writeFileSync(
        join(folder, 'extensions'),
        [
          'basicConstraints=critical,CA:TRUE,pathlen:0',
          'keyUsage=critical,keyCertSign,cRLSign',
          'subjectKeyIdentifier=hash',
        ].join('\n'),
      );
      openssl(
        ...['x509', '-req', '-in', 'formed.csr', '-extfile', 'extensions', '-out', 'again.pem'],
        ...['-CA', join(data, 'ca/root/certificate.pem'), '-CAkey', 'root.pem', '-days', '30'],
      );
      const again = readFileSync(join(folder, 'again.pem'), 'utf8');
      const [der = new Uint8Array()] = certificatesInPem(again);
      const { spkiDer } = readCaCertificate(der, 'again');
      const { spkiDer: usual } = await loadIssuer(data, 'line');
      expect(Buffer.compare(spkiDer, usual)).not.toBe(0);
      expect(keySha256Of(spkiDer)).toBe(keySha256Of(usual));
      const into = ['-passout', 'pass:of the file', '-out', 'formed.p8'];
      openssl('pkcs8', '-topk8', '-in', 'formed.pem', ...into);
      const importing = importIssuer({
        ...{ name: 'again', directory: other, passphrase, nowMs: Date.now() },
        keyPem: readFileSync(join(folder, 'formed.p8'), 'utf8'),
        keyPassphrase: 'of the file',
        chainPem: again + readFileSync(join(data, 'ca/root/certificate.pem'), 'utf8'),
      });
      await expect(importing).rejects.toThrow('RFC 5480');
    });
  });

  describe('below an intermediate', () => {
    const wishOf = (name: string) =>
      ({ name, directory: data, passphrase, keyType: 'ec-p256', subjectDer: named(name) }) as const;
    const issueMid = () =>
      issueAuthority({ ...wishOf('mid'), pathLenConstraint: 1 }, place('root'), nowMs);
    const revokeBy = async (parent: string, name: string, reason: RevocationReason) =>
      revokeAuthority({
        ...{ directory: data, parent, reason, nowMs },
        certificateDer: (await loadIssuer(data, name)).chainDer[0] ?? new Uint8Array(),
      });
    const signed = async (): Promise<string> => {
      const { requestPem } = await requestAuthority({ ...wishOf('factory'), pathLenConstraint: 0 });
      const { chainDer } = await signAuthorityRequest({ requestPem, parent: place('mid'), nowMs });
      return pemOfCertificates(chainDer);
    };
    /** What a folder says, and a process that has it open since before. */
    const serving = async () => {
      let elapsedMs = 0;
      const catalogue = new IssuerCatalogue({
        ...{ dataDirectory: data, issuers: await loadIssuers(data), configured: undefined },
        ...{ keyless: 'left-out', elapsedMs: () => elapsedMs },
      });
      catalogue.assertSigns('factory', nowMs);
      return async () => {
        elapsedMs += 1_000;
        const [one, all, served] = [
          await loadIssuer(data, 'factory'),
          (await loadIssuers(data)).find(({ name }) => name === 'factory'),
          catalogue.find('factory'),
        ];
        return [one, all, served].map((ca) => ca && refusalOf(ca, nowMs));
      };
    };
    const three = (text: string) =>
      Array.from({ length: 3 }, () => expect.stringContaining(text) as string);
    /** As `ca complete` left it before it wrote down who had signed. */
    const forgetParent = (): void => {
      const file = join(data, 'ca/factory/ca.json');
      const written = JSON.parse(readFileSync(file, 'utf8')) as { parent?: string };
      delete written.parent;
      writeFileSync(file, JSON.stringify(written));
    };

    it.each([
      ['mid', 'factory', 'as it is written now'],
      ['mid', 'factory', 'as it was written once'],
      ['root', 'mid', 'as it was written once'],
    ])('is refused once %s has revoked %s, %s', async (by, ca, how) => {
      await issueMid();
      const chainPem = await signed();
      const factory = await completeAuthority({ ...place('factory'), chainPem, nowMs });
      expect(factory).toMatchObject({ parent: 'mid', above: ['mid', 'root'] });
      if (how === 'as it was written once') forgetParent();
      const refusals = await serving();
      await revokeBy(by, ca, 'cessationOfOperation');
      expect(await refusals()).toEqual(three(`is revoked: CN=${ca}, cessationOfOperation`));
    });

    it('is refused where the chain goes over a CA of the folder, and the one that has signed it is elsewhere', async () => {
      await issueMid();
      await completeAuthority({ ...place('factory'), chainPem: await signed(), nowMs });
      const mid = await loadIssuer(data, 'mid');
      const refusals = await serving();
      rmSync(mid.directory, { recursive: true });
      await revokeAuthority({
        ...{ directory: data, parent: 'root', reason: 'superseded', nowMs },
        certificateDer: mid.chainDer[0] ?? new Uint8Array(),
      });
      expect(await loadIssuer(data, 'factory')).not.toHaveProperty('parent');
      expect(await refusals()).toEqual(three('is revoked: CN=mid, superseded'));
    });

    it('is refused once the CA has revoked it that has cross-certified it, and whose chain is in force', async () => {
      await issueMid();
      const { chainDer } = await crossCertify({
        ...{ directory: data, name: 'line', by: place('mid'), nowMs },
      });
      await completeAuthority({
        ...{ ...place('line'), chainPem: pemOfCertificates(chainDer), nowMs, mayEndEarlier: true },
      });
      const line = await loadIssuer(data, 'line');
      expect([line.parent, refusalOf(line, nowMs)]).toEqual(['mid', undefined]);
      await revokeBy(line.parent ?? '', 'line', 'superseded');
      expect(refusalOf(await loadIssuer(data, 'line'), nowMs)).toContain('CN=line, superseded');
    });

    it('is not taken in where its chain goes over a lost key, whoever vouches for that', async () => {
      await issueMid();
      const away = join(folder, 'away');
      cpSync(data, away, { recursive: true });
      const leaf = { ...wishOf('leaf'), directory: away, pathLenConstraint: 0 };
      const below = await issueAuthority(leaf, place('mid', away), nowMs);
      const { chainDer } = await crossCertify({
        ...{ directory: away, name: 'mid', by: place('root', other), nowMs },
      });
      const keyPem = readFileSync(join(away, 'ca/leaf/key.pem'), 'utf8');
      await revokeBy('root', 'mid', 'keyCompromise');
      rmSync(join(data, 'ca/mid'), { recursive: true });
      const importing = importIssuer({
        ...{ ...place('leaf'), keyPem, keyPassphrase: passphrase, nowMs },
        chainPem: pemOfCertificates([...below.chainDer.slice(0, 1), ...chainDer]),
      });
      await expect(importing).rejects.toThrow('it goes over CN=mid, whose key is lost');
    });

    it('stays refused by the CA that has revoked it once that has a new key', async () => {
      await issueMid();
      const chainPem = await signed();
      await completeAuthority({ ...place('factory'), chainPem, nowMs });
      const requestPem = await requestRenewal(place('factory'));
      const successor = { passphrase, name: 'mid', successor: 'mid-2', parent: place('root') };
      await rekeyAuthority({ ...successor, directory: data, nowMs });
      const away = join(folder, 'away');
      cpSync(data, away, { recursive: true });
      await revokeBy('mid', 'factory', 'cessationOfOperation');
      const refused = 'has revoked CN=factory with this key';
      const sign = (directory: string) =>
        signAuthorityRequest({ requestPem, parent: place('mid-2', directory), nowMs });
      await expect(sign(data)).rejects.toThrow(refused);
      // Another CA may have it: its key is not lost.
      const { chainDer } = await sign(away);
      const again = pemOfCertificates(chainDer);
      const keyPem = readFileSync(join(data, 'ca/factory/key.pem'), 'utf8');
      const into = { ...place('again'), keyPem, keyPassphrase: passphrase, nowMs };
      await expect(importIssuer({ ...into, chainPem: again })).rejects.toThrow(refused);
      const elsewhere = await signAuthorityRequest({
        ...{ requestPem, parent: place('root', other), nowMs },
      });
      const good = pemOfCertificates(elsewhere.chainDer);
      expect(await importIssuer({ ...into, chainPem: good })).toMatchObject({ name: 'again' });
    });

    it.each<[string, string, RevocationReason]>([
      ['mid', 'factory', 'superseded'],
      ['root', 'mid', 'cACompromise'],
    ])('is not taken in once %s has revoked %s', async (by, ca, reason) => {
      await issueMid();
      const chainPem = await signed();
      const keyPem = readFileSync(join(data, 'ca-requests/factory/key.pem'), 'utf8');
      await revokeAuthority({
        ...{ directory: data, parent: by, reason, nowMs },
        certificateDer: certificatesInPem(chainPem)[ca === 'mid' ? 1 : 0] ?? new Uint8Array(),
      });
      const refused = expect.objectContaining({
        code: 'CONFLICT',
        message: expect.stringContaining(`CN=${ca}, ${reason}`) as string,
      }) as unknown;
      const before = readdirSync(join(data, 'ca'));
      const ways = [
        () => completeAuthority({ ...place('factory'), chainPem, nowMs }),
        () =>
          importIssuer({ ...place('again'), keyPem, keyPassphrase: passphrase, chainPem, nowMs }),
      ];
      for (const way of ways) await expect(way()).rejects.toEqual(refused);
      expect(readdirSync(join(data, 'ca'))).toEqual(before);
    });

    it('is not taken in over a key that a CA of the folder has revoked as lost, whoever has signed it', async () => {
      await issueMid();
      const keyPem = readFileSync(join(data, 'ca/line/key.pem'), 'utf8');
      const away = join(folder, 'away');
      cpSync(data, away, { recursive: true });
      const { chainDer } = await crossCertify({
        ...{ directory: away, name: 'line', by: place('root', other), nowMs },
      });
      await revoke();
      rmSync(join(data, 'ca/line'), { recursive: true });
      const chainPem = pemOfCertificates(chainDer);
      await expect(
        importIssuer({ ...place('again'), keyPem, keyPassphrase: passphrase, chainPem, nowMs }),
      ).rejects.toThrow("CA 'root' has revoked CN=line with this key");
    });

    it('is what an import writes down', async () => {
      await issueMid();
      const chainPem = await signed();
      const keyPem = readFileSync(join(data, 'ca-requests/factory/key.pem'), 'utf8');
      const taken = await importIssuer({
        ...{ ...place('factory'), keyPem, keyPassphrase: passphrase, chainPem, nowMs },
      });
      expect(taken).toMatchObject({ parent: 'mid', role: 'issuing' });
      const written = readFileSync(join(data, 'ca/factory/ca.json'), 'utf8');
      expect(JSON.parse(written)).toMatchObject({ role: 'issuing', parent: 'mid' });
    });
  });

  it('or not, does not go back to a certificate from before, or one that ends earlier', async () => {
    const root = readFileSync(join(data, 'ca/root/certificate.pem'), 'utf8');
    const complete = (chainPem: string, mayEndEarlier = false) =>
      completeAuthority({ ...place('line'), chainPem, nowMs, mayEndEarlier });
    const former = readFileSync(join(data, 'ca/line/former', `${serials[0]}.pem`), 'utf8');
    await expect(complete(former + root, true)).rejects.toThrow('it does not go back');
    const short = readFileSync(issuedFile(serials[1]), 'utf8') + root;
    await expect(complete(short)).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('--ends-earlier') as string,
    });
    expect((await loadIssuer(data, 'line')).serialNumberHex).toBe(serials[2]);
    expect((await complete(short, true)).serialNumberHex).toBe(serials[1]);
    // Typed again after a kill.
    expect((await complete(short)).serialNumberHex).toBe(serials[1]);
  });
});
