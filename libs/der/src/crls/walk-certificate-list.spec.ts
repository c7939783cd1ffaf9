import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { encodeInteger, encodeSequence, encodeTime, encodeTlv } from '../encoding/der-encode.js';
import {
  type CertificateListWalk,
  walkCertificateList,
  walkCrlEntries,
} from './walk-certificate-list.js';

const thisUpdate = new Date('2026-11-22T10:00:00Z');
const nextUpdate = new Date('2051-01-01T00:00:00Z');

async function aCrl(serialNumbers: readonly string[]): Promise<Uint8Array> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const crl = await x509.X509CrlGenerator.create({
    issuer: 'CN=lister',
    thisUpdate,
    nextUpdate,
    signingAlgorithm: algorithm,
    signingKey: keys.privateKey,
    extensions: [await x509.AuthorityKeyIdentifierExtension.create(keys.publicKey)],
    entries: serialNumbers.map((serialNumber, index) => ({
      serialNumber,
      revocationDate: thisUpdate,
      ...(index % 2 === 0 ? { reason: x509.X509CrlReason.keyCompromise } : {}),
    })),
  });
  return new Uint8Array(crl.rawData);
}

function serialNumbersIn(bytes: Uint8Array, walk: CertificateListWalk): string[] {
  const found: string[] = [];
  const failure = walkCrlEntries(bytes, walk, (entry) => {
    const { serialNumberStart: start, serialNumberEnd: end } = entry;
    found.push(Buffer.from(bytes.subarray(start, end)).toString('hex'));
    expect(entry.revocationDateSeconds).toBe(thisUpdate.getTime() / 1_000);
    if (found.length % 2 === 1) expect(entry.extensionsStart).toBeGreaterThan(0);
    return true;
  });
  expect(failure).toBeUndefined();
  return found;
}

x509.cryptoProvider.set(webcrypto as unknown as Parameters<typeof x509.cryptoProvider.set>[0]);

describe('walkCertificateList', () => {
  it('finds the parts of a list that another library made', async () => {
    const bytes = await aCrl(['01', '5a5b5c', '7fffffffffffffffffffffffffffffffffffffff']);
    const walk = walkCertificateList(bytes);
    expect(walk.error).toBeUndefined();
    const oracle = new x509.X509Crl(Uint8Array.from(bytes));
    expect(walk.version).toBe(2);
    expect(walk.thisUpdateSeconds).toBe(oracle.thisUpdate.getTime() / 1_000);
    expect(walk.nextUpdateSeconds).toBe(nextUpdate.getTime() / 1_000);
    expect(walk.extensionsStart).toBeGreaterThan(0);
    expect(bytes.subarray(walk.signatureStart, walk.signatureEnd)).toEqual(
      new Uint8Array(oracle.signature),
    );
    expect(serialNumbersIn(bytes, walk)).toEqual(
      oracle.entries.map(({ serialNumber }) => serialNumber.padStart(2, '0')),
    );
  });

  it('stops where the visitor has seen enough', async () => {
    const bytes = await aCrl(['01', '02', '03']);
    let seen = 0;
    walkCrlEntries(bytes, walkCertificateList(bytes), () => ++seen < 2);
    expect(seen).toBe(2);
  });

  it('takes a list of version 1 without nextUpdate, entries and extensions', () => {
    const algorithm = encodeSequence(encodeInteger(1));
    const tbs = encodeSequence(algorithm, encodeSequence(), encodeTime(1_800_000_000));
    const bytes = encodeSequence(tbs, algorithm, encodeTlv(0x03, Uint8Array.of(0, 9)));
    const walk = walkCertificateList(bytes);
    expect(walk).toMatchObject({ error: undefined, version: 1, thisUpdateSeconds: 1_800_000_000 });
    expect(walk.nextUpdateSeconds).toBeNaN();
    expect(serialNumbersIn(bytes, walk)).toEqual([]);
  });

  it('never reads a list that is cut short or has an octet too many', async () => {
    const bytes = await aCrl(['01', '02']);
    for (let length = 0; length < bytes.length; length++) {
      expect(walkCertificateList(bytes.subarray(0, length)).error).toBeDefined();
    }
    expect(walkCertificateList(Buffer.concat([bytes, Uint8Array.of(0)])).error).toBe(
      'trailing-bytes',
    );
  });

  it('survives any changed octet, and says which entry it cannot read', async () => {
    const bytes = await aCrl(['01', '02']);
    for (let at = 0; at < bytes.length; at++) {
      const changed = Uint8Array.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 0x21;
      const walk = walkCertificateList(changed);
      if (walk.error === undefined) walkCrlEntries(changed, walk, () => true);
    }
    const walk = walkCertificateList(bytes);
    const broken = Uint8Array.from(bytes);
    broken[walk.entriesStart + 2] = 0x04;
    expect(walkCrlEntries(broken, walkCertificateList(broken), () => true)).toEqual({
      error: 'unexpected-tag',
      errorOffset: walk.entriesStart + 2,
    });
  });
});
