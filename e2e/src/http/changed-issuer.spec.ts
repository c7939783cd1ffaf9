import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { pemEncode } from '@certmill/der';
import { openStoreForReading, verifyFolder } from '@certmill/standalone/folder';
import {
  completeAuthority,
  createRoot,
  distinguishedNameDer,
  issueAuthority,
  issueCaCrl,
  loadIssuer,
  parseDistinguishedName,
  rekeyAuthority,
  renewAuthority,
  requestRenewal,
  revokeAuthority,
  type SignRequestOptions,
  signAuthorityRequest,
} from '@certmill/trust';
import { aCsr } from '../testing/a-csr.js';
import {
  aDataFolder,
  anOrder,
  aServerIn,
  ndjson,
  passphrase,
  type TestServer,
} from './test-server.js';

interface Issued {
  readonly certificate: string;
  readonly chain: readonly string[];
}

/** Needs openssl on the PATH. */
describe('a server whose issuer is renewed, moved and revoked while it runs', () => {
  const yearS = 365 * 86_400;

  async function madeIn(directory: string) {
    const common = { directory, passphrase, keyType: 'ec-p256' as const };
    const subjectOf = (name: string) => distinguishedNameDer(parseDistinguishedName(`CN=${name}`));
    const place = (name: string) => ({ directory, name, passphrase });
    const aYearAgoMs = Date.now() - yearS * 1_000;
    await createRoot({ ...common, subjectDer: subjectOf('root') }, aYearAgoMs);
    for (const [name, under, pathLenConstraint, years] of [
      ['oem', 'root', 1, 9],
      ['reg2', 'root', 1, 9],
      // Half of its life is over: those of two years, as the profile has them, end with it.
      ['fac', 'oem', 0, 2.1],
    ] as const) {
      const wish = { ...common, name, subjectDer: subjectOf(name), pathLenConstraint };
      const lifetimeSeconds = years * yearS;
      await issueAuthority({ ...wish, lifetimeSeconds }, place(under), aYearAgoMs);
    }
    writeFileSync(join(directory, 'test-passphrase'), passphrase);
    return place;
  }

  async function enrol(server: TestServer, deviceId: string): Promise<Response> {
    return server.call('POST', `/v1/orders/o/certificates?deviceId=${deviceId}`, {
      headers: { 'content-type': 'application/pkcs10', accept: 'application/json' },
      body: new Uint8Array(aCsr(deviceId)),
    });
  }

  it('hands out the chain in force, and signs nothing once a CA that came above it has revoked it', async () => {
    await using folder = await aDataFolder();
    const data = folder.path;
    const place = await madeIn(data);
    const file = (name: string, content: string): string => {
      writeFileSync(join(data, name), content);
      return join(data, name);
    };
    const crls = new Map<string, string>();
    const makeCrls = async (...names: readonly string[]): Promise<void> => {
      for (const name of names) {
        const { der } = await issueCaCrl(place(name), 86_400, Date.now());
        crls.set(name, pemEncode('X509 CRL', der));
      }
    };
    await makeCrls('root', 'oem', 'reg2');
    const root = readFileSync(join(data, 'ca/root/certificate.pem'), 'utf8');
    /** What openssl says of a CA's certificate, with the CRLs of the CAs above it. */
    const openssl = (certificate: string, chain: readonly string[]): string => {
      const { stdout, stderr } = spawnSync(
        'openssl',
        [
          ...['verify', '-x509_strict', '-crl_check_all', '-extended_crl'],
          ...['-CAfile', file('trusted.pem', root + [...crls.values()].join(''))],
          ...['-untrusted', file('chain.pem', chain.join('')), file('one.pem', certificate)],
        ],
        { encoding: 'utf8' },
      );
      return stdout + stderr;
    };
    {
      await using server = await aServerIn(data);
      expect((await anOrder(server, 'o')).status).toBe(201);
      const issued = async (deviceId: string): Promise<Issued> => {
        const answer = await enrol(server, deviceId);
        expect(answer.status).toBe(201);
        return (await answer.json()) as Issued;
      };
      const before = await issued('d-0');
      const [facBefore = ''] = before.chain;
      const endOf = (pem: string): number => new X509Certificate(pem).validToDate.getTime();
      expect(endOf(before.certificate)).toBe(endOf(facBefore));
      expect(openssl(facBefore, before.chain.slice(1))).toContain(': OK');

      // Renewed, and the certificate before is retired: devices get the one in force, and may live as long.
      const nowMs = Date.now();
      const lifetimeSeconds = 7 * yearS;
      await renewAuthority({ ...place('fac'), parent: place('oem'), lifetimeSeconds, nowMs });
      await revokeAuthority({
        ...{ directory: data, parent: 'oem', reason: 'superseded', mayBeAlone: true, nowMs },
        certificateDer: new X509Certificate(facBefore).raw,
      });
      await makeCrls('oem');
      await wait(1_100);
      const renewed = await issued('d-1');
      const { chainDer, notAfterMs } = await loadIssuer(data, 'fac');
      expect(renewed.chain).toEqual(chainDer.map((der) => pemEncode('CERTIFICATE', der)));
      const [facRenewed = ''] = renewed.chain;
      expect(openssl(facBefore, renewed.chain.slice(1))).toContain('certificate revoked');
      expect(openssl(facRenewed, renewed.chain.slice(1))).toContain(': OK');
      expect(endOf(renewed.certificate)).toBeGreaterThan(endOf(facBefore) + 0.5 * yearS * 1_000);
      expect(endOf(renewed.certificate)).toBeLessThan(notAfterMs);

      // Moved below another CA by a carried request, as under an offline root.
      const carried = async (
        limits: Pick<SignRequestOptions, 'lifetimeSeconds' | 'extKeyUsage'> = {},
      ) => {
        const requestPem = await requestRenewal(place('fac'));
        const signing = { requestPem, parent: place('reg2'), nowMs, ...limits };
        const { chainDer } = await signAuthorityRequest(signing);
        const chainPem = chainDer.map((der) => pemEncode('CERTIFICATE', der)).join('');
        const meant = {
          mayEndEarlier: true,
          mayNarrowConstraints: limits.extKeyUsage !== undefined,
        };
        await completeAuthority({ ...place('fac'), chainPem, nowMs, ...meant });
        await wait(1_100);
        return { certificateDer: chainDer[0]!, chainPem };
      };
      const { certificateDer, chainPem } = await carried();
      const moved = await issued('d-2');
      expect(moved.chain.join('')).toBe(chainPem);
      const [facMoved = '', ...aboveMoved] = moved.chain;
      expect(openssl(facMoved, aboveMoved)).toContain(': OK');
      // One key, one name: what was issued before verifies over the chain in force too.
      const issuer = new X509Certificate(facMoved);
      for (const { certificate } of [before, renewed, moved]) {
        expect(new X509Certificate(certificate).checkIssued(issuer)).toBe(true);
        expect(new X509Certificate(certificate).verify(issuer.publicKey)).toBe(true);
      }

      // Followed by one with a new key: orders that name no issuer go there.
      await rekeyAuthority({ ...place('fac'), successor: 'fac-2', parent: place('reg2'), nowMs });
      await wait(1_100);
      const order = (await (await anOrder(server, 'o-2')).json()) as { readonly issuer: string };
      expect(order.issuer).toBe('fac-2');

      // Ends sooner than certificates of the order live, and is for others: it takes nothing that could not be signed.
      const refuses = async (deviceId: string, reason: string, status = 409): Promise<void> => {
        const upload = server.call('POST', '/v1/orders/o/batches', {
          headers: { ...ndjson, 'idempotency-key': deviceId },
          body: `${JSON.stringify({ deviceId, csr: Buffer.from(aCsr(deviceId)).toString('base64') })}\n`,
        });
        for (const answer of [await enrol(server, deviceId), await upload]) {
          expect([answer.status, await answer.text()]).toEqual([
            status,
            expect.stringContaining(reason),
          ]);
        }
      };
      await carried({ lifetimeSeconds: 30 * 86_400, extKeyUsage: ['1.3.6.1.5.5.7.3.1'] });
      await refuses('d-3', "issuer fac of order o does not sign profile 'tls-client': profile");

      // Nobody knows what is revoked: that passes, and is not told as the end of the order.
      mkdirSync(join(data, 'ca-crls/far.pem'), { recursive: true });
      await wait(1_100);
      await refuses('d-4', 'nobody knows now whether issuer fac is revoked', 503);
      rmSync(join(data, 'ca-crls'), { recursive: true });

      await revokeAuthority({
        ...{ directory: data, parent: 'reg2', reason: 'keyCompromise', nowMs, certificateDer },
      });
      await makeCrls('reg2');
      await wait(1_100);
      expect(openssl(facMoved, aboveMoved)).toContain('certificate revoked');
      await refuses('d-5', 'is revoked: CN=fac, keyCompromise');
      const view = await server.call('GET', '/v1/issuers/fac');
      expect(await view.json()).toMatchObject({ takesOrders: false, takesUploads: false });
    }

    // Each certificate is what its profile gave under the certificate that its issuer had then.
    await using opened = await openStoreForReading(data);
    const { certificates, findings } = await verifyFolder(opened, () => undefined);
    expect([certificates, findings]).toEqual([3, []]);
  });
});
