import { webcrypto } from 'node:crypto';
import { x509 } from '../x509-library.js';
import { caCommonName, distinguishedNameDer } from './distinguished-name.js';
import { viewCaRequest } from './request-authority.js';

const named = (value: string) => distinguishedNameDer([{ type: 'commonName', value }]);

describe('names of CAs', () => {
  it('have a commonName of 64 characters at most, whatever octets those take', () => {
    expect(named('\u{1f512}'.repeat(64)).length).toBeGreaterThan(256);
    expect(() => named('x'.repeat(65))).toThrow('commonName of 65 characters, at most 64 fit');
  });

  it('have it in requests of others, too', async () => {
    const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const viewOf = async (length: number): Promise<string> => {
      const request = await x509.Pkcs10CertificateRequestGenerator.create({
        name: `O=Example, CN=${'x'.repeat(length)}`,
        keys,
        signingAlgorithm: algorithm,
      });
      return viewCaRequest({ requestPem: request.toString('pem') }).subject;
    };
    expect(await viewOf(64)).toContain('x'.repeat(64));
    await expect(viewOf(65)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
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
