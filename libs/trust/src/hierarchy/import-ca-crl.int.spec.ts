import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pemEncode } from '@certmill/der';
import { pemBlocksOf } from '../inspect/pem-blocks.js';
import { listingServed } from '../compromise/served-crls.js';
import { OpensslPki } from '../testing/openssl-pki.js';
import { CaCrlEnds } from './ca-crl-ends.js';
import { distinguishedNameDer } from './distinguished-name.js';
import { exportAuthorities } from './export-authorities.js';
import { importCaCrl } from './import-ca-crl.js';
import { ImportedCrlFolder } from './imported-crls.js';
import { importIssuer } from './import-issuer.js';
import { createRoot, issueAuthority } from './issue-authority.js';
import { issueCaCrl } from './issue-ca-crl.js';
import { IssuerCatalogue } from './issuer-catalogue.js';
import { pemOfCertificates } from './ca-certificate.js';
import { loadAuthorities, loadIssuer, loadIssuers, refusalOf } from './load-issuers.js';
import { keySha256Of } from './lost-keys.js';
import { publishedCas } from './published-cas.js';
import { rekeyAuthority } from './renew-authority.js';
import {
  completeAuthority,
  requestAuthority,
  requestRenewal,
  signAuthorityRequest,
} from './request-authority.js';
import { revokeAuthority } from './revoke-authority.js';
import { StatusAuthorities } from './status-authorities.js';

const passphrase = 'only for this test';
const nowMs = Math.floor(Date.now() / 1_000) * 1_000;
/** What `openssl verify` says of a CA with its root's CRL. */
function opensslCheck(
  folder: string,
  [ca, root]: readonly Uint8Array[],
  crlDer: Uint8Array,
): string {
  const place = (name: string) => join(folder, name);
  writeFileSync(place('ca.pem'), pemOfCertificates(ca === undefined ? [] : [ca]));
  writeFileSync(place('anchor.pem'), pemOfCertificates(root === undefined ? [] : [root]));
  writeFileSync(place('served.crl'), pemEncode('X509 CRL', crlDer));
  const crl = ['-crl_check_all', '-CRLfile', place('served.crl')];
  const args = ['verify', ...crl, '-CAfile', place('anchor.pem'), place('ca.pem')];
  const { stdout, stderr } = spawnSync('openssl', args, { encoding: 'utf8' });
  return stdout + stderr;
}

const ok = /: OK$/m;
const dayS = 86_400;
const hourMs = 3_600_000;

describe('the CRL of an offline root', () => {
  let folder: string;
  let plant: string;
  let offline: string;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'certmill-import-crl-'));
    [plant, offline] = [join(folder, 'plant'), join(folder, 'offline')];
    const common = { passphrase, keyType: 'ec-p256' as const };
    const status = { baseUri: 'http://pki.example', crlShards: 0 };
    const named = (value: string) => distinguishedNameDer([{ type: 'commonName', value }]);
    await createRoot(
      { ...common, directory: offline, subjectDer: named('Offline root'), status },
      nowMs,
    );
    const wish = { ...common, directory: plant, pathLenConstraint: 0, status };
    for (const name of ['line-1', 'line-2']) {
      const root = { directory: offline, name: 'root', passphrase };
      await issueAuthority({ ...wish, name, subjectDer: named(name) }, root, nowMs);
    }
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const revoke = async (name: string): Promise<void> => {
    const { chainDer } = await loadIssuer(plant, name);
    await revokeAuthority({
      directory: offline,
      parent: 'root',
      certificateDer: chainDer[0] ?? new Uint8Array(),
      reason: 'cACompromise',
      nowMs,
    });
  };
  const madeAt = async (atMs: number, days = 30): Promise<Uint8Array> => {
    const root = { directory: offline, name: 'root', passphrase };
    return (await issueCaCrl(root, days * dayS, atMs)).der;
  };
  const take = (crlDer: Uint8Array, atMs = nowMs, name?: string) =>
    importCaCrl({ directory: plant, crlDer, nowMs: atMs, ...(name === undefined ? {} : { name }) });

  it('tells of certificates that were renewed, before a process began and since', async () => {
    let elapsedMs = 0;
    const serialNumbers: Uint8Array[] = [];
    const note = async (): Promise<void> => {
      const { serialNumberHex } = await loadIssuer(plant, 'line-1');
      serialNumbers.push(Buffer.from(serialNumberHex, 'hex'));
    };
    const renew = async (): Promise<void> => {
      const key = { directory: plant, name: 'line-1', passphrase };
      const requestPem = await requestRenewal(key);
      const parent = { directory: offline, name: 'root', passphrase };
      const { chainDer } = await signAuthorityRequest({ requestPem, parent, nowMs });
      await completeAuthority({ ...key, chainPem: pemOfCertificates(chainDer), nowMs });
      await note();
    };
    await note();
    await renew();
    await take(await madeAt(nowMs));
    const issuers = await loadIssuers(plant);
    const common = { dataDirectory: plant, elapsedMs: () => elapsedMs };
    const authorities = new StatusAuthorities({
      ...common,
      catalogue: new IssuerCatalogue({
        ...common,
        issuers,
        configured: undefined,
        keyless: 'left-out',
      }),
      authorities: await loadAuthorities(plant),
    });
    const told = () =>
      serialNumbers.map((serial) => authorities.caStatus('root', serial, nowMs + 1_000));
    const good = expect.objectContaining({ status: { kind: 'good' } }) as unknown;
    expect(told()).toEqual([good, good]);
    await renew();
    expect(authorities.caStatus('root', Buffer.from('7f00', 'hex'), nowMs)).toBeUndefined();
    elapsedMs += 10_000;
    expect(told()).toEqual([good, good, good]);
    await renew();
    await renew();
    // The one in between is in this file alone, which comes in parts.
    const hex = Buffer.from(serialNumbers[3] ?? []).toString('hex');
    const file = join(plant, 'ca', 'line-1', 'former', `${hex}.pem`);
    const whole = readFileSync(file, 'utf8');
    writeFileSync(file, whole.slice(0, 200));
    elapsedMs += 10_000;
    expect(told()).toEqual([good, good, good, undefined, good]);
    writeFileSync(file, whole);
    elapsedMs += 10_000;
    expect(told()).toEqual([good, good, good, good, good]);
    const faults: string[] = [];
    authorities.tellFaults(({ message }) => faults.push(message));
    await renew();
    // Folders before and behind it in which nothing can be read.
    const broken = ['a-line', 'z-line'];
    for (const name of broken)
      mkdirSync(join(plant, 'ca', name, 'former', 'x.pem'), { recursive: true });
    elapsedMs += 10_000;
    expect(told()).toEqual([good, good, good, good, good, good]);
    for (const name of broken)
      expect(faults).toContainEqual(expect.stringContaining(`ca/${name} `));
  });

  it('revokes an issuer here, which a process that runs sees a second later', async () => {
    let elapsedMs = 0;
    const catalogue = new IssuerCatalogue({
      dataDirectory: plant,
      issuers: await loadIssuers(plant),
      configured: undefined,
      keyless: 'left-out',
      elapsedMs: () => elapsedMs,
    });
    expect(() => catalogue.assertSigns('line-1', nowMs)).not.toThrow();
    await revoke('line-1');
    const { crl, isNew, revoked } = await take(await madeAt(nowMs));
    expect([crl.ca, isNew, revoked.map(({ name }) => name)]).toEqual(['root', true, ['line-1']]);
    expect(refusalOf(await loadIssuer(plant, 'line-1'), nowMs)).toMatch(
      /^is revoked: CN=line-1, cACompromise, at /,
    );
    expect(refusalOf(await loadIssuer(plant, 'line-2'), nowMs)).toBeUndefined();
    elapsedMs += 1_001;
    expect(() => catalogue.assertSigns('line-1', nowMs)).toThrow('is revoked: CN=line-1');
    expect(() => catalogue.assertSigns('line-2', nowMs)).not.toThrow();
  });

  it('is served by the name that stands in the certificates below it, with the root itself', async () => {
    const der = await madeAt(nowMs);
    expect(await publishedCas(plant).caCrlOf('root')).toBeUndefined();
    await take(der);
    const cas = publishedCas(plant);
    expect(await cas.caCrlOf('root')).toEqual(Buffer.from(der));
    const { chainDer } = await loadIssuer(plant, 'line-1');
    expect(await cas.certificateOf('root')).toEqual(Buffer.from(chainDer[1] ?? []));
  });

  it('is served in its latest form, whether it was taken in or lies in the folder of the root', async () => {
    const { chainDer } = await loadIssuer(plant, 'line-1');
    const served = async (): Promise<string> =>
      opensslCheck(
        folder,
        chainDer,
        (await publishedCas(plant).caCrlOf('root')) ?? new Uint8Array(),
      );
    await take(await madeAt(nowMs));
    expect(await served()).toMatch(/: OK$/m);
    const ends = new CaCrlEnds(plant, { namesAbove: () => ['root'] });
    expect(ends.list()).toMatchObject([{ ca: 'root', nextUpdateMs: nowMs + 30 * dayS * 1_000 }]);
    await revoke('line-1');
    await madeAt(nowMs + 1_000, 60);
    // Public files only: the key stays where it is.
    await exportAuthorities({ directory: offline, into: plant });
    expect(await served()).toContain('certificate revoked');
    expect(ends.list()).toMatchObject([
      { ca: 'root', nextUpdateMs: nowMs + 1_000 + 60 * dayS * 1_000 },
    ]);
    const later = await madeAt(nowMs + hourMs);
    await take(later, nowMs + hourMs);
    expect(await publishedCas(plant).caCrlOf('root')).toEqual(Buffer.from(later));
    expect(ends.list()).toMatchObject([
      { ca: 'root', nextUpdateMs: nowMs + hourMs + 30 * dayS * 1_000 },
    ]);
  });

  it('is that of the folder of the name, where one of a copy has less, and its next one has what was revoked in both', async () => {
    await take(await madeAt(nowMs), nowMs, 'corp-root');
    for (const name of ['root', 'copy']) {
      cpSync(join(offline, 'ca/root'), join(plant, 'ca', name), { recursive: true });
    }
    const { chainDer } = await loadIssuer(plant, 'line-1');
    const [certificateDer = new Uint8Array()] = chainDer;
    const reason = 'cACompromise' as const;
    await revokeAuthority({ directory: plant, parent: 'root', certificateDer, reason, nowMs });
    for (const [name, at] of [['root', nowMs + 1_000] as const, ['copy', nowMs + 2_000] as const]) {
      await issueCaCrl({ directory: plant, name, passphrase }, 60 * dayS, at);
    }
    const served = async () => (await publishedCas(plant).caCrlOf('root')) ?? new Uint8Array();
    expect(opensslCheck(folder, chainDer, await served())).toContain('certificate revoked');
    const line2 = (await loadIssuer(plant, 'line-2')).chainDer;
    const copied = { directory: plant, parent: 'copy', certificateDer: line2[0]! };
    await revokeAuthority({ ...copied, reason: 'superseded', nowMs: nowMs + 3_000 });
    await issueCaCrl({ directory: plant, name: 'root', passphrase }, dayS, nowMs + 3_000);
    for (const chain of [chainDer, line2]) {
      expect(opensslCheck(folder, chain, await served())).toContain('certificate revoked');
    }
  });

  describe('and of a copy of its folder, from before it revoked a CA', () => {
    const monday = (): string => join(folder, 'monday');
    const madeThere = async (atMs: number): Promise<Uint8Array> =>
      (await issueCaCrl({ directory: monday(), name: 'root', passphrase }, 30 * dayS, atMs)).der;
    const servedOf = (directory: string) => publishedCas(directory).caCrlOf('root');
    const check = async (directory: string): Promise<string> =>
      opensslCheck(
        folder,
        (await loadIssuer(plant, 'line-1')).chainDer,
        (await servedOf(directory)) ?? new Uint8Array(),
      );
    const lost = async (): Promise<object> => ({
      code: 'CONFLICT',
      message: expect.stringContaining(
        (await loadIssuer(plant, 'line-1')).serialNumberHex,
      ) as string,
    });
    beforeEach(async () => {
      await madeAt(nowMs);
      cpSync(offline, monday(), { recursive: true });
      await revoke('line-1');
    });

    it('is not taken in where an exported list, or a record, has what it leaves out', async () => {
      await exportAuthorities({ directory: offline, into: plant });
      const recorded = await servedOf(plant);
      const restored = await madeThere(nowMs + 60_000);
      await expect(take(restored, nowMs + 60_000)).rejects.toMatchObject(await lost());
      await madeAt(nowMs + 1_000);
      await exportAuthorities({ directory: offline, into: plant });
      rmSync(join(plant, 'ca/root/revoked-cas.json'));
      expect(await servedOf(plant)).not.toEqual(recorded);
      const released = [(await loadIssuer(plant, 'line-1')).serialNumberHex];
      for (const crlDer of [restored, await madeThere(nowMs + 61_000)]) {
        const given = { directory: plant, crlDer, nowMs: nowMs + 61_000, released };
        await expect(importCaCrl(given)).rejects.toMatchObject(await lost());
      }
      expect(await check(plant)).toContain('certificate revoked');
      // It was not to be there: revoked once more where it is made, it is on the list again.
      const { chainDer } = await loadIssuer(plant, 'line-1');
      const [certificateDer = new Uint8Array()] = chainDer;
      const again = { directory: monday(), parent: 'root', certificateDer, nowMs: nowMs + 62_000 };
      await revokeAuthority({ ...again, reason: 'cACompromise' });
      expect((await take(await madeThere(nowMs + 62_000), nowMs + 62_000)).isNew).toBe(true);
    });

    it('is not exported to where the list was taken in, by whatever name', async () => {
      await take(await madeAt(nowMs + 1_000), nowMs + 1_000, 'corp-root');
      await madeThere(nowMs + 60_000);
      const exported = exportAuthorities({ directory: monday(), into: plant });
      await expect(exported).rejects.toMatchObject({
        ...(await lost()),
        message: expect.stringContaining(join(plant, 'ca-crls/corp-root.pem')) as string,
      });
      expect(existsSync(join(plant, 'ca/root'))).toBe(false);
      expect(
        opensslCheck(
          folder,
          (await loadIssuer(plant, 'line-1')).chainDer,
          (await publishedCas(plant).caCrlOf('corp-root')) ?? new Uint8Array(),
        ),
      ).toContain('certificate revoked');
    });

    it('is not served where a record from before it was made has what it leaves out', async () => {
      const [other, file] = [join(folder, 'other'), 'ca-crls/root.pem'];
      cpSync(plant, other, { recursive: true });
      await exportAuthorities({ directory: offline, into: plant });
      const early = await servedOf(plant);
      const ends = () => new CaCrlEnds(plant, { namesAbove: () => ['root'] }).list();
      const before = ends();
      expect(before).toMatchObject([{ ca: 'root', subject: 'CN=Offline root' }]);
      expect(before[0]?.nextUpdateMs).toBeGreaterThan(nowMs);
      const crlDer = await madeThere(nowMs + 60_000);
      await importCaCrl({ directory: other, crlDer, nowMs: nowMs + 60_000 });
      mkdirSync(join(plant, 'ca-crls'));
      cpSync(join(other, file), join(plant, file));
      expect(await servedOf(plant)).toEqual(early);
      expect(ends()).toEqual(before);
      rmSync(join(plant, 'ca/root/ca.crl'));
      expect(ends()).toMatchObject([{ ca: 'root', nextUpdateMs: 0 }]);
    });

    it('is not served where it lies there, and is told while it does', async () => {
      let elapsedMs = 0;
      const faults: string[] = [];
      await take(await madeAt(nowMs + 1_000), nowMs + 1_000);
      const catalogue = new IssuerCatalogue({
        ...{ dataDirectory: plant, issuers: await loadIssuers(plant), configured: undefined },
        ...{ keyless: 'left-out', elapsedMs: () => elapsedMs },
      });
      catalogue.tellFaults(({ message }) => faults.push(message));
      const look = (): readonly string[] => {
        elapsedMs += 1_001;
        catalogue.find('line-2');
        return faults.splice(0);
      };
      expect(look()).toEqual([]);
      const good = await servedOf(plant);
      const ends = () => new CaCrlEnds(plant, catalogue).list();
      const before = ends();
      await madeThere(nowMs + 60_000);
      cpSync(join(monday(), 'ca/root'), join(plant, 'ca/root'), { recursive: true });
      rmSync(join(plant, 'ca/root/key.pem'));
      look();
      // The root above is known since.
      const [told, ...more] = [...look(), ...look()];
      expect(told).toMatch(
        /ca\/root\/ca.crl, .*leaves out [0-9a-f]+, .*ca-crls\/root.pem is served/,
      );
      expect(more).toEqual([]);
      expect(await servedOf(plant)).toEqual(good);
      expect(ends()).toEqual(before);
      expect(refusalOf(await loadIssuer(plant, 'line-1'), nowMs)).toMatch(/^is revoked: /);
      // Neither has all: the first one stays, and the calendar says that none is good.
      const { chainDer } = await loadIssuer(plant, 'line-2');
      const [certificateDer = new Uint8Array()] = chainDer;
      const other = { directory: monday(), parent: 'root', certificateDer, nowMs: nowMs + 61_000 };
      await revokeAuthority({ ...other, reason: 'superseded' });
      writeFileSync(join(plant, 'ca/root/ca.crl'), await madeThere(nowMs + 61_000));
      expect(look()).toEqual([expect.stringMatching(/none has all/)]);
      expect(await servedOf(plant)).toEqual(good);
      expect(ends()).toMatchObject([{ ca: 'root', nextUpdateMs: 0 }]);
      rmSync(join(plant, 'ca/root/ca.crl'));
      expect(look()).toEqual([]);
      expect(ends()).toEqual(before);
    });
  });

  it('is seen by a process that runs where it is written over in its place', async () => {
    let elapsedMs = 0;
    await take(await madeAt(nowMs));
    const common = { dataDirectory: plant, elapsedMs: () => elapsedMs };
    const issuers = await loadIssuers(plant);
    const catalogue = new IssuerCatalogue({
      ...{ ...common, issuers, configured: undefined, keyless: 'left-out' },
    });
    catalogue.assertSigns('line-1', nowMs);
    const other = join(folder, 'other');
    cpSync(plant, other, { recursive: true });
    await revoke('line-1');
    await importCaCrl({
      ...{ directory: other, crlDer: await madeAt(nowMs + 1_000), nowMs: nowMs + 1_000 },
    });
    writeFileSync(join(plant, 'ca-crls/root.pem'), readFileSync(join(other, 'ca-crls/root.pem')));
    elapsedMs += 1_001;
    expect(() => catalogue.assertSigns('line-1', nowMs)).toThrow('is revoked: CN=line-1');
    catalogue.assertSigns('line-2', nowMs);
  });

  it('is served in its latest form by each name, where the root comes here by another one', async () => {
    await take(await madeAt(nowMs), nowMs, 'corp-root');
    cpSync(join(offline, 'ca/root'), join(plant, 'ca/root'), { recursive: true });
    const { chainDer } = await loadIssuer(plant, 'line-1');
    const [certificateDer = new Uint8Array(), signerDer = new Uint8Array()] = chainDer;
    const published = publishedCas(plant);
    const served = async (): Promise<readonly string[]> => {
      const ders = ['root', 'corp-root'].map(async (name) => published.caCrlOf(name));
      return (await Promise.all(ders)).map((der) =>
        opensslCheck(folder, chainDer, der ?? new Uint8Array()),
      );
    };
    expect(await served()).toEqual([expect.stringMatching(ok), expect.stringMatching(ok)]);
    const key = { directory: plant, name: 'root', passphrase };
    const reason = 'cACompromise' as const;
    await revokeAuthority({ directory: plant, parent: 'root', certificateDer, reason, nowMs });
    const { crlNumber } = await issueCaCrl(key, 60 * dayS, nowMs + 1_000);
    const revoked = expect.stringContaining('certificate revoked') as string;
    expect(await served()).toEqual([revoked, revoked]);
    expect(await listingServed(plant, certificateDer, signerDer, nowMs + 1_000)).toEqual({
      ...{ reason, crlNumber },
    });
    const ends = new CaCrlEnds(plant, { namesAbove: () => ['root'] });
    const nextUpdateMs = nowMs + 1_000 + 60 * dayS * 1_000;
    expect(ends.list()).toMatchObject([
      { ca: 'corp-root', nextUpdateMs },
      { ca: 'root', nextUpdateMs },
    ]);
    // Another root that takes the place of the folder has nothing to do with that list.
    rmSync(join(plant, 'ca/root'), { recursive: true });
    const named = distinguishedNameDer([{ type: 'commonName', value: 'Second root' }]);
    const second = { directory: plant, passphrase, keyType: 'ec-p256' as const };
    await createRoot({ ...second, subjectDer: named }, nowMs);
    await issueCaCrl(key, dayS, nowMs + 2_000);
    expect((await served())[1]).toMatch(ok);
    expect(ends.list()[0]).toMatchObject({ nextUpdateMs: nowMs + 30 * dayS * 1_000 });
  });

  it('is taken in by both names, time after time, once the root has come here by another one', async () => {
    await take(await madeAt(nowMs), nowMs, 'corp-root');
    cpSync(join(offline, 'ca/root'), join(plant, 'ca/root'), { recursive: true });
    rmSync(join(plant, 'ca/root/key.pem'));
    for (const laterMs of [1_000, 2_000, 3_000]) {
      const crlDer = await madeAt(nowMs + laterMs);
      expect(await take(crlDer, nowMs + laterMs)).toMatchObject({ isNew: true });
      expect(await take(crlDer, nowMs + laterMs)).toMatchObject({ isNew: false });
      for (const name of ['root', 'corp-root']) {
        expect(await publishedCas(plant).caCrlOf(name)).toEqual(Buffer.from(crlDer));
      }
    }
  });

  it('that is damaged leaves none to be served: an earlier one may have less', async () => {
    cpSync(join(offline, 'ca/root'), join(plant, 'ca/root'), { recursive: true });
    rmSync(join(plant, 'ca/root/key.pem'));
    writeFileSync(join(plant, 'ca/root/ca.crl'), await madeAt(nowMs));
    await revoke('line-1');
    await take(await madeAt(nowMs + 1_000), nowMs + 1_000);
    const file = join(plant, 'ca-crls/root.pem');
    const text = readFileSync(file, 'utf8');
    const published = publishedCas(plant);
    const ends = () => new CaCrlEnds(plant, { namesAbove: () => ['root'] }).list();
    for (const damaged of [text.slice(0, -60), '']) {
      expect(await published.caCrlOf('root')).toBeDefined();
      writeFileSync(file, damaged);
      await expect(published.caCrlOf('root')).rejects.toMatchObject({
        ...{ code: 'FAULT_STORE_CORRUPT', message: expect.stringContaining(file) as string },
      });
      expect(ends()).toMatchObject([{ ca: 'root', nextUpdateMs: 0 }]);
      writeFileSync(file, text);
    }
  });

  it('that cannot be read in the folder of the root stops no issuer below it, and is told', async () => {
    let elapsedMs = 0;
    const faults: string[] = [];
    cpSync(join(offline, 'ca/root'), join(plant, 'ca/root'), { recursive: true });
    const list = join(plant, 'ca/root/ca.crl');
    rmSync(list, { force: true });
    const catalogue = new IssuerCatalogue({
      ...{ dataDirectory: plant, issuers: await loadIssuers(plant), configured: undefined },
      ...{ keyless: 'left-out', elapsedMs: () => elapsedMs },
    });
    catalogue.tellFaults(({ message }) => faults.push(message));
    mkdirSync(list);
    for (let look = 0; look < 2; look += 1) {
      elapsedMs += 1_001;
      catalogue.assertSigns('line-1', nowMs);
    }
    expect(faults).toEqual([`${list} cannot be read`]);
    expect(new CaCrlEnds(plant, catalogue).list()).toMatchObject([{ ca: 'root', nextUpdateMs: 0 }]);
    await expect(publishedCas(plant).caCrlOf('root')).rejects.toMatchObject({
      ...{ code: 'FAULT_STORE_CORRUPT', message: faults[0] },
    });
    rmSync(list, { recursive: true });
    elapsedMs += 60_001;
    catalogue.assertSigns('line-1', nowMs);
    expect(faults).toHaveLength(1);
  });

  it('keeps its name from every other CA', async () => {
    await revoke('line-1');
    const crlDer = await madeAt(nowMs);
    await take(crlDer, nowMs, 'theirs');
    const named = (value: string) => distinguishedNameDer([{ type: 'commonName', value }]);
    const wish = { directory: plant, passphrase, keyType: 'ec-p256' as const };
    const other = { ...wish, name: 'theirs', pathLenConstraint: 0, subjectDer: named('Other') };
    const taken = {
      code: 'CONFLICT',
      message: expect.stringMatching(/CRL of CN=Offline root .*'theirs'/) as string,
    };
    const root = { directory: offline, name: 'root', passphrase };
    await expect(issueAuthority(other, root, nowMs)).rejects.toMatchObject(taken);
    await expect(requestAuthority(other)).rejects.toMatchObject(taken);
    const rekeyed = { directory: plant, passphrase, nowMs, parent: root };
    await expect(
      rekeyAuthority({ ...rekeyed, name: 'line-2', successor: 'theirs' }),
    ).rejects.toMatchObject(taken);
    using pki = new OpensslPki();
    pki.run('pkcs8', '-topk8', '-in', 'issuing.key', '-out', 'issuing.p8', '-passout', 'pass:x');
    const text = (name: string): string => readFileSync(pki.path(name), 'utf8');
    const given = { keyPem: text('issuing.p8'), keyPassphrase: 'x', passphrase, directory: plant };
    const chainPem = text('issuing.pem') + text('root.pem');
    await expect(
      importIssuer({ ...given, chainPem, name: 'theirs', nowMs: Date.now() + 1_000 }),
    ).rejects.toMatchObject(taken);
    expect(existsSync(join(plant, 'ca/theirs'))).toBe(false);
    await take(await madeAt(nowMs + 1_000), nowMs + 1_000);
    expect(await publishedCas(plant).caCrlOf('theirs')).toBeDefined();
  });

  it('is not that of another root which has its name, and which was there before names were kept', async () => {
    await take(await madeAt(nowMs));
    renameSync(join(plant, 'ca-crls'), join(plant, 'aside'));
    const named = distinguishedNameDer([{ type: 'commonName', value: 'Second root' }]);
    await createRoot(
      { directory: plant, passphrase, keyType: 'ec-p256', subjectDer: named },
      nowMs,
    );
    renameSync(join(plant, 'aside'), join(plant, 'ca-crls'));
    const second = await issueCaCrl({ directory: plant, name: 'root', passphrase }, dayS, nowMs);
    expect(await publishedCas(plant).caCrlOf('root')).toEqual(Buffer.from(second.der));
  });

  it('goes forwards only, and is taken in twice', async () => {
    const [first, second] = [await madeAt(nowMs - 30_000), await madeAt(nowMs)];
    await take(second);
    expect((await take(second)).isNew).toBe(false);
    await expect(take(first)).rejects.toMatchObject({ code: 'CONFLICT' });
    await revoke('line-2');
    const third = await take(await madeAt(nowMs + hourMs), nowMs + hourMs);
    expect(third.revoked.map(({ name }) => name)).toEqual(['line-2']);
  });

  it('does not leave out what an earlier one revoked, unless that is said', async () => {
    await revoke('line-1');
    await take(await madeAt(nowMs));
    const { serialNumberHex } = await loadIssuer(plant, 'line-1');
    // A folder of the root that lost what it had revoked, or was restored.
    for (const file of ['revoked-cas.json', 'ca.crl']) rmSync(join(offline, 'ca/root', file));
    const without = await madeAt(nowMs + hourMs);
    await expect(take(without, nowMs + hourMs)).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining(serialNumberHex) as string,
    });
    expect(refusalOf(await loadIssuer(plant, 'line-1'), nowMs)).toMatch(/^is revoked: /);
    const common = { directory: plant, crlDer: without, nowMs: nowMs + hourMs };
    await expect(importCaCrl({ ...common, released: ['0a'] })).rejects.toThrow('--released');
    await importCaCrl({ ...common, released: [serialNumberHex.toUpperCase()] });
    expect(refusalOf(await loadIssuer(plant, 'line-1'), nowMs)).toBeUndefined();
  });

  it('goes forwards only where it is exported to, and what it revokes stays', async () => {
    const [into, copy] = [join(folder, 'trust'), join(folder, 'copy')];
    const file = join(into, 'ca-crls/root.pem');
    const exported = (directory: string) => exportAuthorities({ directory, into });
    const refused = async (directory: string, reason: string): Promise<void> => {
      const before = readFileSync(file);
      const told = new RegExp(`${file} would lose .*${reason}`);
      const conflict = { code: 'CONFLICT', message: expect.stringMatching(told) as string };
      await expect(exported(directory)).rejects.toMatchObject(conflict);
      expect(readFileSync(file)).toEqual(before);
    };
    await take(await madeAt(nowMs));
    cpSync(plant, copy, { recursive: true });
    await revoke('line-1');
    await take(await madeAt(nowMs + 1_000), nowMs + 1_000);
    await exported(plant);
    await refused(copy, 'crlNumber');
    expect(await exported(plant)).toMatchObject({ filesWritten: 0 });
    // The root has lost what it had revoked, and the copy never knew of it.
    for (const name of ['revoked-cas.json', 'ca.crl']) rmSync(join(offline, 'ca/root', name));
    const without = await madeAt(nowMs + hourMs);
    const { serialNumberHex } = await loadIssuer(plant, 'line-1');
    const released = { crlDer: without, nowMs: nowMs + hourMs, released: [serialNumberHex] };
    await importCaCrl({ ...released, directory: copy });
    await refused(copy, serialNumberHex);
    await importCaCrl({ ...released, directory: into });
    await exported(copy);
    expect(refusalOf(await loadIssuer(into, 'line-1'), nowMs)).toBeUndefined();
    const [list = ''] = /-----BEGIN X509 CRL[^]*/.exec(readFileSync(file, 'utf8')) ?? [];
    writeFileSync(file, readFileSync(file, 'utf8').replace(list, ''));
    await expect(exported(copy)).rejects.toMatchObject({ code: 'FAULT_STORE_CORRUPT' });
  });

  it('has certificates of lost keys read once, until their folder changes or where they are damaged', async () => {
    await revoke('line-1');
    await take(await madeAt(nowMs));
    const { serialNumberHex, spkiDer } = await loadIssuer(plant, 'line-1');
    const [crl] = new ImportedCrlFolder(plant).all();
    const issued = join(offline, 'ca/root/issued');
    const file = join(issued, `${serialNumberHex}.pem`);
    const text = readFileSync(file, 'utf8');
    const look = () => crl?.losses.in(issued);
    const settle = (): void => utimesSync(issued, 1_000, 1_000 + settled++);
    let settled = 0;
    settle();
    const first = look();
    expect([...(first ?? [])]).toEqual([
      [keySha256Of(spkiDer), expect.objectContaining({ serialNumberHex, reason: 'cACompromise' })],
    ]);
    expect(look()).toBe(first);
    settle();
    writeFileSync(file, text.slice(0, 200));
    expect(look()?.size).toBe(0);
    writeFileSync(file, text);
    expect(look()).toEqual(first);
    // Just now: another may appear at the same time by the file system.
    writeFileSync(join(issued, 'another.pem'), text);
    expect(look()).not.toBe(look());
    expect(crl?.losses.in(file).size).toBe(0);
    expect(crl?.losses.in(join(issued, 'none')).size).toBe(0);
  });

  it.each([
    ['before its time', -2 * dayS * 1_000, /after the time in question/],
    ['after its nextUpdate', 31 * dayS * 1_000, /was to be replaced at/],
  ])('is refused %s, whatever it revokes', async (_, laterMs, reason) => {
    for (const name of ['line-1', 'line-2']) await revoke(name);
    await expect(take(await madeAt(nowMs), nowMs + laterMs)).rejects.toThrow(reason);
  });

  it('is refused where an octet of it changed, or it is of another root', async () => {
    const der = await madeAt(nowMs);
    const forged = Uint8Array.from(der, (octet, at) => (at === der.length - 1 ? octet ^ 1 : octet));
    await expect(take(forged)).rejects.toThrow('its signature does not verify');
    await expect(take(der.subarray(1))).rejects.toThrow('this is no CRL in DER');
    using other = new OpensslPki();
    other.crl('other');
    const [block] = pemBlocksOf(readFileSync(other.path('other.crl')));
    await expect(take(block?.der ?? new Uint8Array())).rejects.toThrow(/no CA here was signed by/);
  });

  it('has no name but the one that it has', async () => {
    await take(await madeAt(nowMs));
    const next = await madeAt(nowMs + 1_000);
    await expect(take(next, nowMs + 1_000, 'another')).rejects.toMatchObject({ code: 'CONFLICT' });
    await expect(take(next, nowMs + 1_000, 'line-1')).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  it('is made and not taken in where its key is', async () => {
    const issuer = await loadIssuer(plant, 'line-1');
    await issueAuthority(
      {
        name: 'beside',
        directory: offline,
        passphrase,
        keyType: 'ec-p256',
        pathLenConstraint: 0,
        subjectDer: issuer.subjectDer,
      },
      { directory: offline, name: 'root', passphrase },
      nowMs,
    );
    const crlDer = await madeAt(nowMs);
    await expect(importCaCrl({ directory: offline, crlDer, nowMs })).rejects.toThrow(
      "CA 'root' has its key here",
    );
  });

  it('stops a start where its file is damaged', async () => {
    await take(await madeAt(nowMs));
    const file = join(plant, 'ca-crls', 'root.pem');
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.replace(/(-----BEGIN X509 CRL-----\n.{20})./, '$1!'));
    await expect(loadIssuers(plant)).rejects.toMatchObject({ code: 'FAULT_STORE_CORRUPT' });
    writeFileSync(file, text.slice(0, -40));
    await expect(loadIssuers(plant)).rejects.toMatchObject({ code: 'FAULT_STORE_CORRUPT' });
  });
});

describe('the CRL of a root of somebody else, made by OpenSSL', () => {
  it('is taken in by a name, with its reasons, and ends what stands below', async () => {
    using pki = new OpensslPki();
    const atMs = Date.now() + 1_000;
    const plant = pki.path('plant');
    pki.run('pkcs8', '-topk8', '-in', 'issuing.key', '-out', 'issuing.p8', '-passout', 'pass:x');
    const text = (name: string): string => readFileSync(pki.path(name), 'utf8');
    await importIssuer({
      name: 'issuing',
      directory: plant,
      keyPem: text('issuing.p8'),
      keyPassphrase: 'x',
      chainPem: text('issuing.pem') + text('root.pem'),
      passphrase,
      nowMs: atMs,
    });
    const signer = ['-cert', 'root.pem', '-keyfile', 'root.key'];
    const config = ['-config', 'pki.cnf'];
    const made = (): Uint8Array => {
      pki.run('ca', ...config, '-gencrl', ...signer, '-out', 'root.crl');
      return pemBlocksOf(readFileSync(pki.path('root.crl')))[0]?.der ?? new Uint8Array();
    };
    const take = (crlDer: Uint8Array, name?: string) =>
      importCaCrl({
        directory: plant,
        crlDer,
        // openssl dates what it makes by the clock.
        nowMs: Date.now() + 1_000,
        ...(name === undefined ? {} : { name }),
      });
    const good = made();
    await expect(take(good)).rejects.toThrow('say by which name');
    expect((await take(good, 'their-root')).revoked).toEqual([]);
    const reason = ['-crl_reason', 'CACompromise'];
    pki.run('ca', ...config, '-revoke', 'issuing.pem', ...signer, ...reason);
    const { crl, revoked } = await take(made());
    expect([crl.ca, revoked.map(({ name }) => name)]).toEqual(['their-root', ['issuing']]);
    expect((await loadIssuer(plant, 'issuing')).revoked?.reason).toBe('cACompromise');
  });
});
