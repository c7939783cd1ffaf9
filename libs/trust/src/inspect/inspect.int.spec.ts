import { readFileSync } from 'node:fs';
import {
  encodeCertId,
  encodeOctetString,
  encodeOid,
  encodeSequence,
  encodeTlv,
  oids,
} from '@certmill/der';
import { readOcspResponse } from '../path/read-ocsp-response.js';
import { OpensslPki } from '../testing/openssl-pki.js';
import { replaceBytes, resign } from '../testing/resign.js';
import { chainLinks } from './chain-links.js';
import { inspect } from './inspect.js';
import { IssuersHere } from './issuers-here.js';
import { nameText } from './view.js';

/** Needs openssl on the PATH: it makes what is inspected and says what stands in it. */
describe('inspect', () => {
  let pki: OpensslPki;
  const read = (name: string): Uint8Array => readFileSync(pki.path(name));
  const only = (bytes: Uint8Array) => {
    const [item, ...rest] = inspect(bytes);
    expect(rest).toEqual([]);
    return item!.object!;
  };

  beforeAll(() => {
    pki = new OpensslPki();
    pki.device('good');
    pki.device('bad');
    pki.device('responder', 'responder');
    pki.revoke('bad');
    pki.crl('full');
    pki.ocsp('both', 'responder', ['good', 'bad']);
    pki.ocsp('by-device', 'good', ['good']);
  });
  afterAll(() => {
    pki[Symbol.dispose]();
  });

  it('says of a certificate what OpenSSL says', () => {
    const { kind, view, findings } = only(read('good.pem'));
    const serial = pki.run('x509', '-in', 'good.pem', '-noout', '-serial').trim();
    const hash = pki.run('x509', '-in', 'good.pem', '-noout', '-ext', 'subjectKeyIdentifier');
    expect(kind).toBe('certificate');
    expect(findings).toEqual([]);
    expect(view['serialNumber']).toBe(serial.replace('serial=', '').toLowerCase());
    expect(view).toMatchObject({
      version: 3,
      issuer: 'O=Example, CN=issuing',
      subject: 'CN=good, O=Example',
      subjectPublicKey: { type: 'ec', curve: 'prime256v1', octets: 65 },
    });
    const values = new Map(
      (view['extensions'] as { name: string; value: unknown }[]).map((e) => [e.name, e.value]),
    );
    expect(values.get('basicConstraints')).toEqual({ cA: false, pathLenConstraint: undefined });
    expect(values.get('keyUsage')).toEqual(['digitalSignature']);
    expect(values.get('extKeyUsage')).toEqual(['id-kp-clientAuth']);
    expect(values.get('subjectAltName')).toEqual([
      'dNSName:device.example',
      'uniformResourceIdentifier:urn:example:1',
      'iPAddress:192.0.2.7',
    ]);
    expect(hash.replaceAll(':', '').toLowerCase()).toContain(values.get('subjectKeyIdentifier'));
    expect(values.get('authorityInfoAccess')).toEqual([
      { method: 'id-ad-ocsp', location: 'uniformResourceIdentifier:http://ocsp.example/' },
    ]);
    expect(JSON.stringify(values.get('cRLDistributionPoints'))).toContain('http://crl.example/');
  });

  it('says of a request whether its key was there', () => {
    expect(only(read('good.csr')).view).toMatchObject({ proofOfPossession: 'good' });
    const bytes = Uint8Array.from(only(read('good.csr')).der);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    const forged = only(bytes);
    expect(forged.view).toMatchObject({ proofOfPossession: 'bad' });
    expect(forged.findings).toMatchObject([{ rule: 'proof-of-possession' }]);
  });

  it('says of a list who is on it and why', () => {
    const { kind, view, findings } = only(read('full.crl'));
    const text = pki.run('crl', '-in', 'full.crl', '-noout', '-text');
    expect(kind).toBe('crl');
    expect(findings).toEqual([]);
    expect(view).toMatchObject({ version: 2, issuer: 'O=Example, CN=issuing', entries: 1 });
    expect(JSON.stringify(view['extensions'])).toContain('"name":"cRLNumber"');
    const [entry] = view['revokedCertificates'] as { serialNumber: string }[];
    expect(text).toContain(entry!.serialNumber.toUpperCase());
    expect(JSON.stringify(entry)).toContain('keyCompromise');
  });

  it('shows no name that turns round the text about it', () => {
    const name = encodeSequence(
      encodeTlv(
        0x31,
        encodeSequence(encodeOid('2.5.4.3'), encodeTlv(0x0c, Buffer.from('a\u202eb\u2066\x1b'))),
      ),
    );
    expect(nameText(name)).toBe('CN=a\\e2\\80\\aeb\\e2\\81\\a6\\1b');
  });

  it('says of a response what it answers for each certificate', () => {
    const { kind, view, findings } = only(read('both.ocsp'));
    expect(kind).toBe('ocsp-response');
    expect(findings).toEqual([]);
    expect(view).toMatchObject({
      responseStatus: 'successful',
      responder: { byName: 'CN=responder, O=Example' },
      responses: [
        { certStatus: 'good' },
        { certStatus: 'revoked', revocationReason: 'keyCompromise' },
      ],
    });
    expect(only(read('both.req')).view).toMatchObject({
      requests: [{ hashAlgorithm: 'sha1' }, { hashAlgorithm: 'sha1' }],
      signed: false,
    });
  });

  it('says of a response that its enclosed responder has not signed it, or may not', () => {
    const forged = Uint8Array.from(read('both.ocsp'));
    const signature = readOcspResponse(forged)!.basic!.signature;
    signature[signature.length - 1] = (signature.at(-1) ?? 0) ^ 1;
    expect(only(forged).findings).toMatchObject([
      { rule: 'ocsp-signer', detail: expect.stringContaining('does not verify') as string },
    ]);
    expect(only(read('by-device.ocsp')).findings).toMatchObject([
      { rule: 'ocsp-signer', detail: expect.stringContaining('id-kp-OCSPSigning') as string },
    ]);
  });

  it('reads all of a bundle, PEM or PKCS #7, and says who issued whom', () => {
    const bundle = Buffer.concat([read('good.pem'), read('root.pem'), read('issuing.pem')]);
    const certificates = inspect(bundle).map(({ position, object }) => ({
      position,
      der: object!.der,
    }));
    expect(chainLinks(certificates).map(({ issuedBy }) => issuedBy)).toEqual([3, 2, 2]);
    pki.run(
      ...['crl2pkcs7', '-in', 'full.crl', '-certfile', 'good.pem', '-certfile', 'root.pem'],
      ...['-outform', 'DER', '-out', 'all.p7b'],
    );
    expect(inspect(read('all.p7b')).map(({ object }) => object?.kind)).toEqual([
      'certificate',
      'certificate',
      'crl',
    ]);
  });

  describe('who issued whom', () => {
    const der = (name: string): Uint8Array => only(read(name)).der;
    const placed = (...ders: readonly Uint8Array[]) =>
      ders.map((each, index) => ({ position: index + 1, der: each }));
    /** Good ones of `issuing`, whose TBS part is another in `from` alone. */
    const issuedAs = (base: string, from: Uint8Array, to: Uint8Array): Uint8Array =>
      resign(der(base), readFileSync(pki.path('issuing.key')), (tbs) =>
        replaceBytes(tbs, from, to),
      );
    const manyOf = (base: string, count: number): readonly Uint8Array[] => {
      const serial = Buffer.from(only(read(base)).view['serialNumber'] as string, 'hex');
      return Array.from({ length: count }, (_, index) => {
        const next = Buffer.from(serial);
        next.writeUInt16BE(0x100 + index, next.length - 2);
        return issuedAs(base, serial, next);
      });
    };

    beforeAll(() => {
      pki.signedBy('issuing', 'nameless', '/', 'device');
      pki.signedBy('issuing', 'plain', '/O=Example/CN=issuing', 'plain_device');
    });

    it('is told of a certificate with an empty subject', () => {
      expect(chainLinks(placed(der('nameless.pem'), der('issuing.pem')))).toEqual([
        { position: 1, subject: '', issuedBy: 2, isGivenUp: false },
        { position: 2, subject: 'O=Example, CN=issuing', issuedBy: undefined, isGivenUp: false },
      ]);
    });

    it('is told where the names differ in case only', () => {
      const other = issuedAs('nameless.pem', Buffer.from('issuing'), Buffer.from('ISSUING'));
      const [link] = chainLinks(placed(other, der('issuing.pem'), der('root.pem')));
      expect(link).toMatchObject({ issuedBy: 2 });
    });

    it('is told of itself first, where others have its name and its key', () => {
      const roots = placed(der('root.pem'), der('root.pem'));
      expect(chainLinks(roots).map(({ issuedBy }) => issuedBy)).toEqual([1, 2]);
    });

    it('takes one try for each of many of one issuer', () => {
      const many = manyOf('nameless.pem', 300);
      const here = new IssuersHere(placed(...many, der('root.pem'), der('issuing.pem')));
      let tries = 0;
      for (const self of here.certificates) {
        const { certificate, authorityKeyIdentifier: keyIdentifier } = self.certificate;
        here.find({ name: certificate.issuer, keyIdentifier, self }, () => {
          tries += 1;
          return true;
        });
      }
      expect(tries).toBe(302);
      expect(chainLinks(placed(...many, der('issuing.pem')))[299]).toMatchObject({ issuedBy: 301 });
    });

    it('is given up, and is no finding, where too many of one name tell no key identifier', () => {
      const many = manyOf('plain.pem', 120).map((each) => {
        const bytes = Uint8Array.from(each);
        bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
        return bytes;
      });
      const links = chainLinks(placed(...many));
      expect(links.every(({ issuedBy }) => issuedBy === undefined)).toBe(true);
      // 120 tries of each would be 14,400; 1,480 are made.
      expect(links.findIndex(({ isGivenUp }) => isGivenUp)).toBe(12);
      const pem = (each: Uint8Array): string =>
        `-----BEGIN CERTIFICATE-----\n${Buffer.from(each).toString('base64')}\n-----END CERTIFICATE-----\n`;
      const broken = inspect(Buffer.from(many.map(pem).join(''))).filter(({ object }) =>
        object!.findings.some(({ rule }) => rule === 'issuer-signature'),
      );
      expect(broken.map(({ position }) => position)).toEqual(
        Array.from({ length: 12 }, (_, index) => index + 1),
      );
    });
  });

  describe('of what proves too little', () => {
    const rulesIn = (...names: readonly string[]) =>
      inspect(Buffer.concat(names.map(read))).map(({ object }) =>
        object!.findings.map(({ rule, clause }) => `${rule} ${clause}`),
      );
    const selfSigned = (name: string, algorithm: readonly string[], hash: string): void => {
      pki.run(
        ...['req', '-x509', '-config', 'pki.cnf', '-extensions', 'root', '-newkey', ...algorithm],
        ...[`-${hash}`, '-nodes', '-keyout', `${name}.key`, '-subj', `/CN=${name}`],
        ...['-days', '30', '-out', `${name}.pem`],
      );
    };
    const keyRule = 'key-strength NIST SP 800-131A Rev. 2, 3';
    const hashRule = 'signature-hash NIST SP 800-131A Rev. 2, 9';

    it.each([
      ['rsa1024', ['rsa:1024'], 'sha256', [keyRule]],
      ['rsa2047', ['rsa:2047'], 'sha256', [keyRule]],
      ['rsa2048', ['rsa:2048'], 'sha256', []],
      ['p192', ['ec', '-pkeyopt', 'ec_paramgen_curve:P-192'], 'sha256', [keyRule]],
      ['p224', ['ec', '-pkeyopt', 'ec_paramgen_curve:P-224'], 'sha256', []],
      ['sha1', ['rsa:2048'], 'sha1', [hashRule]],
      ['md5', ['rsa:2048'], 'md5', [hashRule]],
      ['ecsha1', ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'], 'sha1', [hashRule]],
    ])('certificate %s', (name, algorithm, hash, expected) => {
      selfSigned(name, algorithm, hash);
      expect(rulesIn(`${name}.pem`)).toEqual([expected]);
      if (expected[0] !== keyRule) return;
      pki.run('req', '-new', '-key', `${name}.key`, '-subj', '/CN=r', '-out', `${name}.csr`);
      pki.run('pkey', '-in', `${name}.key`, '-pubout', '-out', `${name}.pub`);
      expect(rulesIn(`${name}.csr`, `${name}.pub`)).toEqual([expected, expected]);
    });

    it('CRL', () => {
      pki.crl('sha1', '-md', 'sha1');
      expect(rulesIn('sha1.crl', 'issuing.pem')).toEqual([
        ['crl-signature-hash NIST SP 800-131A Rev. 2, 9'],
        [],
      ]);
    });
  });

  it('says of certificates and CRLs that the issuer beside them has not signed them', () => {
    const changed = (name: string, label: 'CERTIFICATE' | 'X509 CRL'): string => {
      const { der } = only(read(name));
      const bytes = Uint8Array.from(der);
      bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
      pki.writePem(`changed-${name}`, label, bytes);
      return `changed-${name}`;
    };
    const rulesIn = (...names: readonly string[]) =>
      inspect(Buffer.concat(names.map(read))).map(({ object }) =>
        object!.findings.map(({ rule }) => rule),
      );
    const certificate = changed('good.pem', 'CERTIFICATE');
    const crl = changed('full.crl', 'X509 CRL');
    const root = changed('root.pem', 'CERTIFICATE');
    expect(rulesIn('good.pem', 'full.crl', 'root.pem', 'issuing.pem').flat()).toEqual([]);
    expect(rulesIn(certificate, crl, 'issuing.pem')).toEqual([
      ['issuer-signature'],
      ['crl-issuer-signature'],
      [],
    ]);
    expect(rulesIn(root)).toEqual([['issuer-signature']]);
    // Whose issuer is not here, nobody can say it of.
    expect(rulesIn(certificate, crl, 'root.pem').flat()).toEqual([]);
  });

  it('says what keeps an OCSP request from being answered with what was made ahead', () => {
    const rulesOf = (...asked: readonly string[]): readonly string[] => {
      const about = ['ocsp', '-issuer', 'issuing.pem', '-cert', 'good.pem'];
      pki.run(...about, ...asked, '-reqout', 'asked.req');
      return only(read('asked.req')).findings.map(({ rule }) => rule);
    };
    expect(rulesOf('-no_nonce')).toEqual([]);
    expect(rulesOf()).toEqual([]);
    expect(rulesOf('-cert', 'bad.pem')).toEqual(['ocsp-one-request']);
    const signed = ['-signer', 'good.pem', '-signkey', 'good.key'];
    expect(rulesOf('-no_nonce', ...signed)).toEqual(['ocsp-request-unsigned']);
    expect(inspect(Buffer.concat([read('asked.req'), Buffer.of(0)]))).toMatchObject([
      { object: undefined },
    ]);
  });

  it.each([
    [0, ['ocsp-nonce-length']],
    [1, []],
    [128, []],
    [129, ['ocsp-nonce-length']],
  ])('judges a nonce of %d octets in a request', (octets, rules) => {
    const certId = encodeCertId('sha1', Buffer.alloc(20), Buffer.alloc(20), Buffer.of(5));
    const nonce = encodeSequence(
      encodeOid(oids.id_pkix_ocsp_nonce),
      encodeOctetString(encodeOctetString(Buffer.alloc(octets, 1))),
    );
    const requests = encodeSequence(encodeSequence(certId));
    const extensions = encodeTlv(0xa2, encodeSequence(nonce));
    const { kind, findings } = only(encodeSequence(encodeSequence(requests, extensions)));
    expect(kind).toBe('ocsp-request');
    expect(findings.map(({ rule }) => rule)).toEqual(rules);
  });

  it('looks into no private key', () => {
    expect(() => inspect(read('good.key'))).toThrow(/private key/);
    pki.run('pkcs8', '-topk8', '-nocrypt', '-in', 'good.key', '-outform', 'DER', '-out', 'k.der');
    expect(() => inspect(read('k.der'))).toThrow(/private key/);
  });

  it('says of anything else that it cannot be read, and never fails on damaged bytes', () => {
    expect(inspect(Buffer.from('hello'))).toMatchObject([{ unreadable: 'it is not DER' }]);
    expect(inspect(new Uint8Array())).toMatchObject([{ unreadable: 'it is empty' }]);
    for (const name of ['good.pem', 'good.csr', 'full.crl', 'both.ocsp', 'both.req']) {
      const { der } = only(read(name));
      for (let at = 0; at < der.length; at++) {
        const changed = Uint8Array.from(der);
        changed[at] = (changed[at] ?? 0) ^ 0x15;
        for (const bytes of [changed, der.subarray(0, at)]) {
          try {
            inspect(bytes);
          } catch (error) {
            expect(String(error)).toContain('private key');
          }
        }
      }
    }
  });
});
