/**
 * What validation costs per request; run by hand: `node libs/pipeline/dist/validate/validate.bench.js`.
 * All figures of one run are comparable; openssl speed beside it gives the limit.
 */
import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import {
  createCertificationRequestWalk,
  encodeNull,
  oids,
  walkCertificationRequest,
} from '@certmill/der';
import { applyAllowList } from './decide-values.js';
import { examineChunk } from './examine-chunk.js';
import { aChunk, aCsr, aName, aProfile, attribute, ecSigner, signerOf } from './testing/a-csr.js';
import { rsaWeaknessOf } from './weak-keys/rsa-weakness.js';

const requests = 256;

function microseconds(name: string, count: number, body: () => void): void {
  let best = Infinity;
  for (let round = 0; round < 8; round += 1) {
    const start = process.hrtime.bigint();
    body();
    best = Math.min(best, Number(process.hrtime.bigint() - start) / 1e3 / count);
  }
  process.stdout.write(`${name.padEnd(60)} ${best.toFixed(2)} us\n`);
}

const deviceIds = Array.from({ length: requests }, (_, i) => `device-${i.toString()}`);
const ders = deviceIds.map((deviceId) =>
  Buffer.from(
    aCsr({
      signer: ecSigner(),
      subject: aName(attribute(oids.id_at_commonName, deviceId)),
    }),
  ),
);
const received = aChunk(ders, { deviceIds });
const profile = aProfile();
microseconds('examineChunk, P-256, everything', requests, () => {
  examineChunk(received, profile);
});
// A hash that the profile does not list: all is done but the proof of possession.
const other = aProfile({ signatureHashes: ['sha512'] });
microseconds('the same with a rejection instead of the signature', requests, () => {
  examineChunk(received, other);
});
const examination = examineChunk(received, profile);
const rows = deviceIds.map((deviceId) => ({ deviceId }));
microseconds('applyAllowList', requests, () => {
  applyAllowList(profile, examination, rows);
});

const walk = createCertificationRequestWalk();
const parts = ders.map((der) => {
  walkCertificationRequest(der, 0, der.length, walk);
  const spki = der.subarray(walk.subjectPKInfoStart, walk.subjectPKInfoEnd);
  return {
    info: der.subarray(walk.certificationRequestInfoStart, walk.certificationRequestInfoEnd),
    signature: der.subarray(walk.signatureStart, walk.signatureEnd),
    spki,
  };
});
const pemOf = (spki: Buffer): string =>
  `-----BEGIN PUBLIC KEY-----\n${spki.toString('base64')}\n-----END PUBLIC KEY-----\n`;
microseconds('crypto.verify, PEM string', requests, () => {
  for (const { info, signature, spki } of parts) verify('sha256', info, pemOf(spki), signature);
});
microseconds('crypto.verify, DER Buffer', requests, () => {
  for (const { info, signature, spki } of parts) {
    verify('sha256', info, { key: spki, format: 'der', type: 'spki' }, signature);
  }
});
microseconds('crypto.verify, KeyObject from PEM', requests, () => {
  for (const { info, signature, spki } of parts) {
    verify('sha256', info, createPublicKey(pemOf(spki)), signature);
  }
});
microseconds('crypto.verify, JWK', requests, () => {
  for (const { info, signature, spki } of parts) {
    const point = spki.subarray(27);
    const key = {
      kty: 'EC',
      crv: 'P-256',
      x: point.toString('base64url', 0, 32),
      y: point.toString('base64url', 32, 64),
    };
    verify('sha256', info, { key, format: 'jwk' }, signature);
  }
});
for (const bits of [2_048, 3_072, 4_096]) {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: bits });
  const oid = oids.sha256WithRSAEncryption;
  const der = aCsr({ signer: signerOf(privateKey, oid, 'sha256', encodeNull()) });
  walkCertificationRequest(der, 0, der.length, walk);
  microseconds(`rsaWeaknessOf, ${bits.toString()} bits`, 100, () => {
    for (let i = 0; i < 100; i += 1) rsaWeaknessOf(der, walk);
  });
}
