import { webcrypto } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeOid, encodeSequence, encodeSetOf, encodeTlv } from '@certmill/der';
import { x509 } from '../x509-library.js';
import {
  caCommonName,
  distinguishedNameDer,
  parseDistinguishedName,
  withCommonName,
} from './distinguished-name.js';
import { createRoot } from './issue-authority.js';
import { signAuthorityRequest } from './request-authority.js';

const named = (value: string) => distinguishedNameDer([{ type: 'commonName', value }]);

describe('names of CAs', () => {
  it('have a commonName of 64 characters at most, whatever octets those take', () => {
    expect(named('\u{1f512}'.repeat(64)).length).toBeGreaterThan(256);
    expect(() => named('x'.repeat(65))).toThrow('commonName of 65 characters, at most 64 fit');
  });

  it('have it in requests of others, too, unless the CA has that name and goes on', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'certmill-names-'));
    const nowMs = Date.now();
    const parent = { directory: folder, name: 'root', passphrase: 'only for this test' };
    const root = await createRoot({ ...parent, keyType: 'ec-p256', subjectDer: named('R') }, nowMs);
    const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const common = { keys, signingAlgorithm: algorithm };
    const nameOf = (length: number): string => `O=Example, CN=${'x'.repeat(length)}`;
    const requestOf = async (length: number): Promise<string> => {
      const wish = { ...common, name: nameOf(length) };
      return (await x509.Pkcs10CertificateRequestGenerator.create(wish)).toString('pem');
    };
    const signed = async (length: number): Promise<string> => {
      const requestPem = await requestOf(length);
      const { certificate } = await signAuthorityRequest({ requestPem, parent, nowMs });
      return certificate.subject;
    };
    expect(await signed(64)).toContain('x'.repeat(64));
    const reason = 'has a commonName of 73 characters, at most 64 fit';
    await expect(signed(73)).rejects.toThrow(reason);
    const requestPem = await requestOf(73);
    const sign = signAuthorityRequest({ requestPem, parent, nowMs });
    await expect(sign).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    // As the CA has signed it before there was a bound.
    const before = await x509.X509CertificateGenerator.createSelfSigned({
      ...common,
      name: nameOf(73),
    });
    writeFileSync(join(root.directory, 'issued', '7f01.pem'), before.toString('pem'));
    expect(await signed(73)).toContain('x'.repeat(73));
    await expect(signed(74)).rejects.toThrow('has a commonName of 74 characters');
    rmSync(folder, { recursive: true });
  });

  it.each([
    ['C=DE,O=Example,CN=Old', 'C=DE,O=Example,CN=New'],
    ['CN=Region,CN=Old,serialNumber=7', 'CN=Region,CN=New,serialNumber=7'],
    ['C=DE,O=Example', 'C=DE,O=Example,CN=New'],
  ])('are those of another one, its last CN but for it: %s', (old, next) => {
    const nameOf = (text: string) => distinguishedNameDer(parseDistinguishedName(text));
    expect(withCommonName(nameOf(old), 'New')).toEqual(nameOf(next));
  });

  it('keep string types and what stands beside a CN in its RDN, whatever others wrote', () => {
    const attribute = (oid: string, tag: number, text: string) =>
      encodeSequence(encodeOid(oid), encodeTlv(tag, Buffer.from(text)));
    const [commonName, organization] = ['2.5.4.3', '2.5.4.10'];
    const nameOf = (cn: Uint8Array) =>
      encodeSequence(encodeSetOf(cn, attribute(organization, 0x13, 'Example')));
    expect(withCommonName(nameOf(attribute(commonName, 0x13, 'Old one')), 'New')).toEqual(
      nameOf(attribute(commonName, 0x0c, 'New')),
    );
  });

  it('that nobody gave fit, and tell a root from what is below it', () => {
    const longest = 'a'.repeat(63);
    const kinds = ['root CA', 'issuing CA', 'intermediate CA'];
    const names = kinds.map((kind) => caCommonName(longest, kind));
    expect(names.map(({ length }) => length)).toEqual([64, 64, 64]);
    expect(new Set(names).size).toBe(3);
    expect(caCommonName('line', 'root CA')).toBe('line root CA');
  });
});
