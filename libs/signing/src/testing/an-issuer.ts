import { createPrivateKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  basicConstraints,
  encodeBitString,
  encodeOid,
  encodeSequence,
  encodeSetOf,
  encodeTlv,
  keyUsage,
  nameConstraints,
  type NameConstraints,
  type MlDsaAlgorithm,
  oids,
  rawSlot,
  signatureAlgorithmDer,
  skiOf,
  extension,
  tags,
  tbsCertificateTemplate,
  tbsSlots,
  type WritableSubtree,
} from '@certmill/der';
import { softwareSlot } from '../slots/software-slot.js';
import { signatureSchemeOf } from '../slots/signature-scheme.js';
import type { SigningIssuer } from '../sign/signing-issuer.js';
import type { SigningSlot } from '../slots/signing-slot.js';

export const passphrase = 'correct horse battery staple 7731';

export type IssuerKeyType = 'P-256' | 'P-384' | 'P-521' | 'ed25519' | MlDsaAlgorithm | 'rsa';

export interface TestIssuer {
  readonly name: string;
  readonly directory: string;
  readonly certificateDer: Uint8Array;
  readonly privateKey: KeyObject;
  readonly keyFile: string;
  readonly passphraseFile: string;
}

/** A self-signed CA whose key lies encrypted in a new folder of the system's temporary one. */
export function anIssuer(
  keyType: IssuerKeyType = 'P-256',
  name = 'device-ca',
  subjectDer = testSubjectDer,
  constraints?: NameConstraints<WritableSubtree>,
): TestIssuer {
  const { privateKey, publicKey } = aKeyPair(keyType);
  const directory = mkdtempSync(join(tmpdir(), 'certmill-signing-'));
  const keyFile = join(directory, 'key.pem');
  const passphraseFile = join(directory, 'passphrase');
  writeFileSync(
    keyFile,
    privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase }),
    { mode: 0o600 },
  );
  writeFileSync(passphraseFile, `${passphrase}\n`, { mode: 0o600 });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  return {
    name,
    directory,
    certificateDer: aCaCertificate(privateKey, spki, subjectDer, constraints),
    privateKey: createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' })),
    keyFile,
    passphraseFile,
  };
}

/** The issuer with software slots of its one key, each in a place of its own: `slot-0`, `slot-1` ... */
export function asSigningIssuer(
  issuer: TestIssuer,
  slotModules: readonly (string | undefined)[] = [undefined],
): SigningIssuer {
  const slotOf = (slotModule: string | undefined, index: number): SigningSlot => {
    const name = `slot-${String(index)}`;
    const slot = softwareSlot({
      name,
      keyFile: issuer.keyFile,
      passphrase: { file: issuer.passphraseFile },
      ...(slotModule === undefined ? {} : { slotModule }),
    });
    return { ...slot, place: { id: name, name } };
  };
  return {
    name: issuer.name,
    chainDer: [issuer.certificateDer],
    slots: slotModules.map(slotOf),
  };
}

function aKeyPair(keyType: IssuerKeyType): { privateKey: KeyObject; publicKey: KeyObject } {
  if (keyType === 'rsa') return generateKeyPairSync('rsa', { modulusLength: 2048 });
  if (keyType === 'ed25519') return generateKeyPairSync('ed25519');
  if (keyType === 'ml-dsa-44' || keyType === 'ml-dsa-65' || keyType === 'ml-dsa-87') {
    return generateKeyPairSync(keyType);
  }
  return generateKeyPairSync('ec', { namedCurve: keyType });
}

const testSubjectDer = encodeSequence(
  encodeSetOf(
    encodeSequence(
      encodeOid(oids.id_at_commonName),
      encodeTlv(tags.utf8String, Buffer.from('Certmill test CA')),
    ),
  ),
);

/** Self-signed. */
export function aCaCertificate(
  privateKey: KeyObject,
  spki: Uint8Array,
  nameDer = testSubjectDer,
  constraints?: NameConstraints<WritableSubtree>,
): Uint8Array {
  const { algorithm, hash } = signatureSchemeOf(spki, 'sha256');
  const algorithmDer = signatureAlgorithmDer(algorithm);
  const template = tbsCertificateTemplate({
    signatureAlgorithm: algorithmDer,
    issuerNameDer: nameDer,
    subject: rawSlot('subject'),
    extensions: [
      extension(oids.id_ce_basicConstraints, true, basicConstraints(true)),
      extension(oids.id_ce_keyUsage, true, keyUsage(['keyCertSign', 'cRLSign'])),
      extension(oids.id_ce_subjectKeyIdentifier, false, skiOf(tbsSlots.spki, 'sha1')),
      ...(constraints === undefined
        ? []
        : [extension(oids.id_ce_nameConstraints, true, nameConstraints(constraints))]),
    ],
  });
  const values = template.createValues();
  values.setBytes(template.slotIndex(tbsSlots.serialNumber), Uint8Array.of(1));
  values.setSeconds(template.slotIndex(tbsSlots.notBefore), Date.UTC(2025, 0, 1) / 1_000);
  values.setSeconds(template.slotIndex(tbsSlots.notAfter), Date.UTC(2045, 0, 1) / 1_000);
  values.setBytes(template.slotIndex(tbsSlots.spki), spki);
  values.setBytes(template.slotIndex('subject'), nameDer);
  const out = new Uint8Array(4_096);
  const tbs = out.subarray(template.write(out, out.length, values));
  return encodeSequence(tbs, algorithmDer, encodeBitString(sign(hash, tbs, privateKey)));
}
