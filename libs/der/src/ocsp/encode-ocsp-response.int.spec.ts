import { spawnSync } from 'node:child_process';
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { encodeAlgorithmIdentifier, encodeSequence, encodeTlv } from '../encoding/der-encode.js';
import { CertmillDerError } from '../encoding/der-error.js';
import {
  encodeBasicOcspResponse,
  encodeCertId,
  encodeErrorResponse,
  encodePresignedResponse,
  encodeResponseData,
  encodeSuccessfulResponse,
  type CertStatus,
} from './encode-ocsp-response.js';
import { oids } from '../encoding/oids.js';

const directory = mkdtempSync(join(tmpdir(), 'certmill-ocsp-'));
afterAll(() => rmSync(directory, { recursive: true }));

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const serialNumber = Buffer.from('01aabbccddeeff00', 'hex');
const at = Date.UTC(2026, 10, 22, 12, 30, 5) / 1_000;

function sha(name: 'sha1' | 'sha256', text: string): Buffer {
  return createHash(name).update(text).digest();
}

/** What OpenSSL reads in a response. */
function textOf(response: Uint8Array): string {
  const file = join(directory, 'response.der');
  writeFileSync(file, response);
  const { stdout, stderr } = spawnSync(
    'openssl',
    ['ocsp', '-respin', file, '-resp_text', '-noverify'],
    { encoding: 'utf8' },
  );
  return stdout + stderr;
}

function aResponse(status: CertStatus, nonce?: Uint8Array): Uint8Array {
  const responseDataDer = encodeResponseData({
    responderKeyHash: sha('sha1', 'responder'),
    producedAtSeconds: at,
    responses: (['sha1', 'sha256'] as const).map((hash) => ({
      certIdDer: encodeCertId(hash, sha(hash, 'name'), sha(hash, 'key'), serialNumber),
      status,
      thisUpdateSeconds: at,
      nextUpdateSeconds: at + 86_400,
    })),
    ...(nonce === undefined ? {} : { nonce }),
  });
  return encodeSuccessfulResponse(
    encodeBasicOcspResponse({
      responseDataDer,
      signatureAlgorithmDer: encodeAlgorithmIdentifier(oids.ecdsa_with_SHA256),
      signature: sign('sha256', responseDataDer, privateKey),
      certificatesDer: [],
    }),
  );
}

test('one that was signed ahead is the same as one that is encoded whole, whatever its lengths', () => {
  const lengths = [0, 1, 90, 127, 128, 200, 255, 256, 65_500, 65_535, 65_536].map((length) =>
    Buffer.alloc(length, length),
  );
  for (const signed of lengths) {
    for (const certificate of lengths) {
      const certs = encodeTlv(0xa0, encodeSequence(certificate));
      const whole = encodeSuccessfulResponse(encodeSequence(signed, certs));
      const spliced = encodePresignedResponse(signed, certificate);
      expect(Buffer.compare(spliced, whole)).toBe(0);
    }
  }
});

describe('an OCSPResponse, read by OpenSSL', () => {
  test('has its times, its responder and both CertIDs', () => {
    const text = textOf(aResponse({ kind: 'good' }));
    expect(text).toContain('OCSP Response Status: successful (0x0)');
    expect(text).toContain(
      `Responder Id: ${sha('sha1', 'responder').toString('hex').toUpperCase()}`,
    );
    expect(text).toContain('Produced At: Nov 22 12:30:05 2026 GMT');
    expect(text).toContain('This Update: Nov 22 12:30:05 2026 GMT');
    expect(text).toContain('Next Update: Nov 23 12:30:05 2026 GMT');
    expect(text).toContain(
      `Issuer Key Hash: ${sha('sha256', 'key').toString('hex').toUpperCase()}`,
    );
    expect(text.match(/Serial Number: 01AABBCCDDEEFF00/g)).toHaveLength(2);
    expect(text.match(/Cert Status: good/g)).toHaveLength(2);
  });

  test.each([
    [0, 'Cert Status: revoked'],
    [1, 'Revocation Reason: keyCompromise (0x1)'],
    [6, 'Revocation Reason: certificateHold (0x6)'],
    // Read as it should be, but for its name, which OpenSSL 3.0 has not.
    [10, 'Revocation Reason: (UNKNOWN) (0xa)'],
  ])('revoked for reason %d', (reasonNumber, expected) => {
    const text = textOf(aResponse({ kind: 'revoked', atSeconds: at - 60, reasonNumber }));
    expect(text).toContain('Revocation Time: Nov 22 12:29:05 2026 GMT');
    expect(text).toContain(expected);
    expect(text.includes('Revocation Reason')).toBe(reasonNumber !== 0);
  });

  test('revoked by a clock that was ahead: at thisUpdate, for no answer is of a time to come', () => {
    const text = textOf(aResponse({ kind: 'revoked', atSeconds: at + 7_200, reasonNumber: 1 }));
    expect(text).toContain('Revocation Time: Nov 22 12:30:05 2026 GMT');
  });

  test('unknown, with the nonce', () => {
    const text = textOf(aResponse({ kind: 'unknown' }, Buffer.from('0011223344556677', 'hex')));
    expect(text).toContain('Cert Status: unknown');
    expect(text).toContain('OCSP Nonce');
    expect(text).toContain('04080011223344556677');
  });

  test.each([
    ['malformedRequest', 'malformedrequest (1)'],
    ['internalError', 'internalerror (2)'],
    ['tryLater', 'trylater (3)'],
    ['sigRequired', 'sigrequired (5)'],
    ['unauthorized', 'unauthorized (6)'],
  ] as const)('%s', (status, expected) => {
    expect(textOf(encodeErrorResponse(status))).toContain(expected);
  });

  test('a time after nextUpdate, or one with fractions, is a mistake of the caller', () => {
    const data = (thisUpdateSeconds: number) => () =>
      encodeResponseData({
        responderKeyHash: sha('sha1', 'r'),
        producedAtSeconds: at,
        responses: [
          {
            certIdDer: encodeCertId('sha1', sha('sha1', 'n'), sha('sha1', 'k'), serialNumber),
            status: { kind: 'good' },
            thisUpdateSeconds,
            nextUpdateSeconds: at,
          },
        ],
      });
    expect(data(at)).toThrow(CertmillDerError);
    expect(data(at - 0.5)).toThrow(CertmillDerError);
  });
});
