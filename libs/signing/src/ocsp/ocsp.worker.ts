import { createPublicKey, sign, X509Certificate, type KeyObject } from 'node:crypto';
import {
  concatBytes,
  encodeBasicOcspResponse,
  encodeBitString,
  encodeCertId,
  encodeResponseData,
  signatureAlgorithmDer,
  subjectPublicKeyHash,
  type ResponseData,
} from '@certmill/der';
import { CertmillError } from '@certmill/domain';
import { issuerHashes, packPairs, type PresignedPair } from '@certmill/pipeline/compute';
import type { PresignedStatus, ResponsesToSign } from '@certmill/ports';
import { decryptKey, readPassphrase } from '../slots/software-signer.js';
import { BoundedCache } from '../worker-pool/bounded-cache.js';
import { packedReply } from '../worker-pool/packed-reply.js';
import { workerFaultOf } from '../worker-pool/worker-fault.js';
import type { AnswerTask, OcspReply, ResponderKey, ResponsesTask } from './ocsp-messages.js';

/** Responders sign with P-256 and SHA-256, whatever their issuers do: devices have to verify it. */
const algorithmDer = signatureAlgorithmDer('ecdsa-sha256');

interface OpenedKey {
  readonly key: KeyObject;
  readonly keyHash: Uint8Array;
}

/** Decrypting one costs a tenth of a second; an installation of thousands of issuers asks for few. */
const opened = new BoundedCache<OpenedKey>(1_024);

export function signAnswer({ key, answer }: AnswerTask): OcspReply {
  return replied(() => {
    const { key: privateKey, keyHash } = open(key);
    const responseDataDer = encodeResponseData({ ...answer, responderKeyHash: keyHash });
    const basic = encodeBasicOcspResponse({
      responseDataDer,
      signatureAlgorithmDer: algorithmDer,
      signature: sign('sha256', responseDataDer, privateKey),
      certificatesDer: [key.certificateDer],
    });
    return [Uint8Array.from(basic)];
  });
}

export function signResponses({ key, issuer, responses }: ResponsesTask): OcspReply {
  return replied(() => {
    const { key: privateKey, keyHash } = open(key);
    const pairs = new Array<PresignedPair | undefined>(responses.count).fill(undefined);
    const hashes = { sha1: issuerHashes('sha1', issuer), sha256: issuerHashes('sha256', issuer) };
    for (const status of responses.statuses) {
      const signed = (hash: 'sha1' | 'sha256'): Uint8Array => {
        const { nameHash, keyHash: issuerKeyHash } = hashes[hash];
        const certIdDer = encodeCertId(hash, nameHash, issuerKeyHash, status.serialNumber);
        const data = responseDataOf(keyHash, certIdDer, status, responses);
        return signedContent(encodeResponseData(data), privateKey);
      };
      pairs[status.place] = { sha1: signed('sha1'), sha256: signed('sha256') };
    }
    return packPairs(pairs);
  });
}

function responseDataOf(
  responderKeyHash: Uint8Array,
  certIdDer: Uint8Array,
  { status }: PresignedStatus,
  { thisUpdateSeconds, nextUpdateSeconds }: ResponsesToSign,
): ResponseData {
  return {
    responderKeyHash,
    producedAtSeconds: thisUpdateSeconds,
    responses: [{ certIdDer, status, thisUpdateSeconds, nextUpdateSeconds }],
  };
}

/** What of a BasicOCSPResponse stands before its certificates. */
function signedContent(responseDataDer: Uint8Array, privateKey: KeyObject): Uint8Array {
  const signature = sign('sha256', responseDataDer, privateKey);
  return concatBytes([responseDataDer, algorithmDer, encodeBitString(signature)]);
}

/** Faults: CONFIG_INVALID, FAULT_KEY_MISMATCH. */
function open({ id, certificateDer, encryptedKeyPem, passphrase }: ResponderKey): OpenedKey {
  const known = opened.get(id);
  if (known !== undefined) return known;
  const settings =
    'file' in passphrase
      ? { passphraseFile: passphrase.file }
      : { passphraseEnvironment: passphrase.environment };
  const pem = Buffer.from(encryptedKeyPem);
  const key = decryptKey('an OCSP responder', pem, readPassphrase(settings));
  const spkiDer = createPublicKey(key).export({ type: 'spki', format: 'der' });
  if (!new X509Certificate(certificateDer).checkPrivateKey(key)) {
    throw new CertmillError(
      'FAULT_KEY_MISMATCH',
      'the key of an OCSP responder is another one than its certificate has',
    );
  }
  const found = { key, keyHash: subjectPublicKeyHash('sha1', spkiDer) };
  opened.set(id, found);
  return found;
}

/** @param work Makes octets in buffers of their own: they move to the main thread. */
function replied(work: () => readonly (Uint8Array<ArrayBuffer> | undefined)[]): OcspReply {
  try {
    const made = work();
    const buffers = new Set(made.flatMap((bytes) => (bytes === undefined ? [] : [bytes.buffer])));
    return packedReply({ kind: 'done', made }, [...buffers]);
  } catch (error) {
    return workerFaultOf(error, 'FAULT_PROCESSING', 'an OCSP response cannot be signed');
  }
}
