import { readFileSync } from 'node:fs';
import type { IssuerKeyType } from '@certmill/trust';
import { loadIssuers } from '@certmill/trust';
import { aCsr, aKey, anMlDsaKey, ndjsonLineOf } from '../testing/a-csr.js';
import { anOrder, aServer, ndjson, type TestServer } from '../http/test-server.js';

/** Certificates of one device, DER: its own, that of its issuer, the root's. */
export interface Chain {
  readonly deviceId: string;
  /** Of its batch. */
  readonly chunk: number;
  readonly device: Buffer;
  readonly issuer: Uint8Array;
  readonly root: Uint8Array;
}

export interface Rejected {
  readonly deviceId: string;
  readonly code: string;
}

export const deviceKeys = ['ec-p256', 'ml-dsa-44', 'ml-dsa-65', 'ml-dsa-87'] as const;

const profile = `
name: any-algorithm
version: 1
description: Device certificates of classical and post-quantum keys.
keys: [${deviceKeys.join(', ')}]
signatureHashes: [sha256]
validity: { lifetime: 2y }
subject:
  - { type: commonName, from: [deviceId] }
extensions:
  basicConstraints: { critical: true }
  keyUsage: { bits: [digitalSignature], critical: true }
  extKeyUsage: { purposes: [clientAuth], critical: false }
  subjectKeyIdentifier: sha1
  authorityKeyIdentifier: true
csr: { otherSubjectAttributes: ignore, ignoredExtensions: [] }
`;

const bouncyCastle = new URL(
  '../../../libs/pipeline/test-data/interop/bouncycastle/',
  import.meta.url,
);

/** A request for each kind of key, one of Bouncy Castle's, and one whose proof of possession is wrong. */
function requestsFor(issuer: string, perKey: number): string {
  const lines = deviceKeys.flatMap((type) =>
    Array.from({ length: perKey }, (_, i) => {
      const deviceId = `${issuer}-${type}-${String(i)}`;
      return ndjsonLineOf(deviceId, aCsr(deviceId, type === 'ec-p256' ? aKey() : anMlDsaKey(type)));
    }),
  );
  const forged = aCsr(`${issuer}-forged`, anMlDsaKey('ml-dsa-65'));
  forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
  return [...lines, ndjsonLineOf(`${issuer}-forged`, forged)].join('');
}

/** A key belongs to one device of one tenant, so these are sent once. */
function requestsOfBouncyCastle(): string {
  return ['ml-dsa-44', 'ml-dsa-65', 'ml-dsa-87']
    .map((name) => {
      const pem = readFileSync(new URL(`${name}.pem`, bouncyCastle), 'utf8');
      return ndjsonLineOf(`bouncycastle-${name}`, pem);
    })
    .join('');
}

/**
 * A server whose root and issuers have these keys issues for devices with keys of every kind: uploads
 * a batch for each issuer, waits, and gives what it published.
 */
export async function issueMixedChains(
  rootKey: IssuerKeyType,
  issuers: Readonly<Record<string, IssuerKeyType>>,
  perKey: number,
): Promise<{ readonly chains: readonly Chain[]; readonly rejected: readonly Rejected[] }> {
  await using server = await aServer({}, {}, { issuers, rootKey });
  const added = await server.call('POST', '/v1/profiles', {
    headers: { 'content-type': 'application/yaml' },
    body: profile,
  });
  if (added.status !== 201) throw new Error(await added.text());
  const chains: Chain[] = [];
  const rejected: Rejected[] = [];
  for (const [i, { name, chainDer }] of (await loadIssuers(server.data)).entries()) {
    const requests = `${requestsFor(name, perKey)}${i === 0 ? requestsOfBouncyCastle() : ''}`;
    const { certificates, rejections } = await issued(server, name, requests);
    const [issuer = new Uint8Array(), root = new Uint8Array()] = chainDer;
    for (const { deviceId, certificate, chunk } of certificates) {
      const device = Buffer.from(certificate.replace(/-----[^-]+-----|\s/g, ''), 'base64');
      chains.push({ deviceId, chunk, device, issuer, root });
    }
    rejected.push(...rejections);
  }
  return { chains, rejected };
}

interface Published {
  readonly certificates: readonly {
    readonly deviceId: string;
    readonly chunk: number;
    readonly certificate: string;
  }[];
  readonly rejections: readonly Rejected[];
}

async function issued(server: TestServer, issuer: string, requests: string): Promise<Published> {
  await anOrder(server, issuer, { profile: 'any-algorithm', issuer });
  const response = await server.call('POST', `/v1/orders/${issuer}/batches`, {
    headers: { ...ndjson, 'idempotency-key': issuer },
    body: requests,
  });
  if (response.status !== 202) throw new Error(await response.text());
  const { batchId } = (await response.json()) as { batchId: string };
  const lines = async <T>(what: string): Promise<T[]> => {
    const answer = await server.call('GET', `/v1/batches/${batchId}/${what}follow=true`);
    const text = (await answer.text()).trim();
    return text === '' ? [] : text.split('\n').map((line) => JSON.parse(line) as T);
  };
  return {
    certificates: await lines('certificates?format=ndjson&'),
    rejections: await lines('rejections?'),
  };
}
