import 'reflect-metadata';

import { generateKeyPairSync, sign } from 'node:crypto';
import { Pkcs10CertificateRequest } from '@peculiar/x509';
import { signatureAlgorithmDer } from '../keys/algorithms.js';
import { encodeSequence } from '../encoding/der-encode.js';
import { encodeCertificationRequest, encodeCommonName } from './encode-certification-request.js';
import { oids } from '../encoding/oids.js';
import { anExtension, anExtensionRequest } from '../testing/a-certification-request.js';

describe('an encoded certification request', () => {
  it('is read and verified by another library, with its attributes', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const der = encodeCertificationRequest({
      subjectDer: encodeCommonName('Gerät 7'),
      subjectPKInfoDer: publicKey.export({ type: 'spki', format: 'der' }),
      attributesDer: [
        anExtensionRequest(anExtension(oids.id_ce_basicConstraints, encodeSequence())),
      ],
      signatureAlgorithmDer: signatureAlgorithmDer('ecdsa-sha256'),
      sign: (info) => sign('sha256', info, privateKey),
    });
    const read = new Pkcs10CertificateRequest(Buffer.from(der));
    expect(read.subject).toBe('CN=Gerät 7');
    expect(read.getExtension(oids.id_ce_basicConstraints)).toMatchObject({ critical: false });
    expect(await read.verify()).toBe(true);
  });
});
