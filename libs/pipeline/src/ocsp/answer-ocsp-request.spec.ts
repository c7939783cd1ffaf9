import { generateKeyPairSync } from 'node:crypto';
import {
  encodeBoolean,
  encodeCertId,
  encodeErrorResponse,
  encodeNull,
  encodeOctetString,
  encodeOid,
  encodeSequence,
  encodeTlv,
  oids,
  readOcspRequest,
} from '@certmill/der';
import { CertmillError, serialNumbersOf, type SerialKey } from '@certmill/domain';
import type { OcspResponder, OcspResponsePair, UnsignedOcspAnswer } from '@certmill/ports';
import { answerOcspRequest, type AnswerPorts, type OcspAnswer } from './answer-ocsp-request.js';
import type { CaStatus, StatusPorts } from './certificate-status.js';
import { LivePlaces } from './live-places.js';
import { issuerHashes, OcspIssuers, type OcspIssuer } from './ocsp-issuers.js';
import { packPairs } from './packed-pair.js';
import { readPresignedAnswer } from './presigned-answer.js';

const nowMs = Date.UTC(2026, 10, 22, 12);
const serialKey: SerialKey = { id: 1, key: Buffer.alloc(16, 9) };
const batchId = '00112233445566778899aabbcc';
const [serialNumber, otherTime] = [nowMs, nowMs + 3_600_000].map((receivedAtMs) =>
  serialNumbersOf(serialKey, batchId, 2, 1, receivedAtMs),
);

function anIssuer(name: string): OcspIssuer {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const commonName = encodeSequence(
    encodeOid(oids.id_at_commonName),
    encodeTlv(0x0c, Buffer.from(name)),
  );
  return {
    name,
    subjectDer: encodeSequence(encodeTlv(0x31, commonName)),
    spkiDer: publicKey.export({ type: 'spki', format: 'der' }),
  };
}

const [ours, second, foreign] = ['ours', 'second', 'foreign'].map(anIssuer) as [
  OcspIssuer,
  OcspIssuer,
  OcspIssuer,
];

function certIdOf(
  issuer: OcspIssuer,
  serial: Uint8Array = serialNumber ?? new Uint8Array(),
  hash: 'sha1' | 'sha256' = 'sha256',
): Uint8Array {
  const { nameHash, keyHash } = issuerHashes(hash, issuer);
  return encodeCertId(hash, nameHash, keyHash, serial);
}

function aRequest(
  certIds: readonly Uint8Array[],
  extensions: readonly Uint8Array[] = [],
): Uint8Array {
  const list = encodeSequence(...certIds.map((certId) => encodeSequence(certId)));
  const inExtensions = encodeTlv(0xa2, encodeSequence(...extensions));
  return encodeSequence(encodeSequence(list, ...(extensions.length > 0 ? [inExtensions] : [])));
}

const nonce = encodeSequence(
  encodeOid(oids.id_pkix_ocsp_nonce),
  encodeOctetString(encodeOctetString(Buffer.alloc(32, 5))),
);
const unknownCritical = encodeSequence(
  encodeOid('1.2.3.4'),
  encodeBoolean(true),
  encodeOctetString(encodeNull()),
);

const responder: OcspResponder = {
  id: 'r',
  issuer: 'ours',
  certificateDer: encodeSequence(encodeNull()),
  notAfterMs: nowMs + 86_400_000,
};

const presignedBody = Buffer.concat([Buffer.from('presigned '), certIdOf(ours)]);
const [packed = Buffer.of()] = packPairs([{ sha1: Buffer.from('none'), sha256: presignedBody }]);

function presigned(overrides: Partial<OcspResponsePair> = {}): OcspResponsePair {
  return {
    issuer: 'ours',
    responder: 'r',
    thisUpdateMs: nowMs - 1_000,
    nextUpdateMs: nowMs + 3_600_000,
    packed,
    ...overrides,
  };
}

/** A validation authority without a key. */
function keyless(overrides: Partial<OcspResponsePair> = {}): AnswerPorts {
  return {
    issuers: new OcspIssuers([ours, second]),
    clock: { nowMs: () => nowMs },
    serialKeys: new Map([[1, serialKey]]),
    presigned: {
      findPair: (asked, index) =>
        Promise.resolve(asked === batchId && index === 2 ? presigned(overrides) : undefined),
      getResponder: (id) => Promise.resolve(id === 'r' ? responder : undefined),
    },
  };
}

/** The status as sign tells it ahead, of a certificate of an issuer that is revoked. */
function underRevoked(certStatus: readonly number[]): AnswerPorts {
  const revoked = { ...ours, revoked: { revokedAtMs: nowMs, reason: 'cACompromise' } } as const;
  const body = Buffer.concat([presignedBody, Buffer.from(certStatus)]);
  const [pair = Buffer.of()] = packPairs([{ sha1: Buffer.from('none'), sha256: body }]);
  return { ...keyless({ packed: pair }), issuers: new OcspIssuers([revoked]) };
}

/** The same with a responder's key; every certificate's tenant is unknown, so all are. */
function withKey(
  policy: 'echo' | 'ignore',
  findTenant: () => Promise<string | undefined> = () => Promise.resolve(undefined),
  places = new LivePlaces(),
): AnswerPorts & { readonly signed: UnsignedOcspAnswer[] } {
  const signed: UnsignedOcspAnswer[] = [];
  const statuses = {
    batches: { findTenant },
    serialKeys: new Map([[1, serialKey]]),
  } as unknown as StatusPorts;
  return {
    ...keyless(),
    signed,
    live: {
      statuses,
      places,
      lifetimeSeconds: 600,
      nonce: policy,
      signer: {
        signAnswer(issuer, answer) {
          if (issuer !== 'ours') return Promise.resolve(undefined);
          signed.push(answer);
          return Promise.resolve(Buffer.from('signed'));
        },
      },
    },
  };
}

/** The same where the number 7 is that of a CA certificate under `ours`. */
function askingCas(ports: AnswerPorts, told: CaStatus): AnswerPorts {
  const { live } = ports;
  if (live === undefined) return ports;
  const caStatus = (issuer: string, serial: Uint8Array): CaStatus | undefined =>
    issuer === 'ours' && serial[0] === 7 ? told : undefined;
  return { ...ports, live: { ...live, statuses: { ...live.statuses, caStatus } } };
}

function textOf(answer: OcspAnswer): string {
  return Buffer.from(answer.der).toString('latin1');
}

const unauthorized: readonly (readonly [string, Uint8Array])[] = [
  ["another CA's", certIdOf(foreign)],
  ['our name with the key of another', certIdOf({ ...ours, spkiDer: foreign.spkiDer })],
  ['a serial number that is not ours', certIdOf(ours, Buffer.from('05', 'hex'))],
  ['the same request at another time', certIdOf(ours, otherTime)],
  ['one that nothing was signed for', certIdOf(ours, Buffer.alloc(20, 1))],
  ['the number under another CA of ours', certIdOf(second)],
];
describe('without a key', () => {
  test('the pre-signed response is served with its responder spliced in', async () => {
    const answer = await answerOcspRequest(keyless(), aRequest([certIdOf(ours)]));
    expect(answer).toMatchObject({
      kind: 'successful',
      times: { thisUpdateMs: nowMs - 1_000, nextUpdateMs: nowMs + 3_600_000 },
      isForAll: true,
    });
    expect(textOf(answer)).toContain('presigned');
    expect(textOf(answer)).toContain(Buffer.from(responder.certificateDer).toString('latin1'));
  });

  test('a nonce does not keep it from being served (RFC 9654 2.1)', async () => {
    const answer = await answerOcspRequest(keyless(), aRequest([certIdOf(ours)], [nonce]));
    expect(answer.kind).toBe('successful');
  });

  test.each(unauthorized)('%s: unauthorized', async (_name, certId) => {
    const answer = await answerOcspRequest(keyless(), aRequest([certId]));
    expect(answer.der).toEqual(encodeErrorResponse('unauthorized'));
  });

  test.each([
    ['its responses', { nextUpdateMs: nowMs }],
    ["its responder's certificate", { responder: 'gone' }],
  ])('where the time of %s is over it says tryLater, never what was', async (_what, overrides) => {
    const answer = await answerOcspRequest(keyless(overrides), aRequest([certIdOf(ours)]));
    expect(answer.der).toEqual(encodeErrorResponse('tryLater'));
  });

  test('what was signed before its issuer was revoked says good to nobody any more', async () => {
    const asked = aRequest([certIdOf(ours)]);
    const good = await answerOcspRequest(underRevoked([0x80, 0x00]), asked);
    expect(good.der).toEqual(encodeErrorResponse('tryLater'));
    const revoked = await answerOcspRequest(underRevoked([0xa1, 0x11]), asked);
    expect(revoked).toMatchObject({ kind: 'successful', isReadable: false });
  });

  test('a store that is away is tryLater, one that is damaged internalError', async () => {
    for (const [code, kind] of [
      ['FAULT_STORE_DOWN', 'tryLater'],
      ['FAULT_STORE_CORRUPT', 'internalError'],
    ] as const) {
      const ports = keyless();
      const cause = new CertmillError(code, 'no');
      const broken = {
        ...ports,
        presigned: {
          findPair: () => Promise.reject(cause),
          getResponder: () => Promise.reject(cause),
        },
      };
      const answer = await answerOcspRequest(broken, aRequest([certIdOf(ours)]));
      expect(answer).toMatchObject({ kind, cause });
    }
  });
});

describe('where responses are read at once', () => {
  const times = { thisUpdateMs: nowMs - 1_000, nextUpdateMs: nowMs + 3_600_000 };
  const readAtOnce = (certId: Uint8Array, overrides: Partial<OcspResponsePair> = {}) => {
    const request = aRequest([certId]);
    const read = readOcspRequest(request, 0, request.length);
    const [range] = read.ok ? read.value.certIds : [];
    if (range === undefined) throw new Error('no request');
    const reader = {
      findPair: (asked: string, index: number) =>
        asked === batchId && index === 2 ? presigned(overrides) : undefined,
      getResponder: (id: string) => (id === 'r' ? responder : undefined),
    };
    return readPresignedAnswer(reader, new Map([[1, serialKey]]), request, range, nowMs);
  };

  test('the answer is the one that is served elsewhere', async () => {
    const answer = await answerOcspRequest(keyless(), aRequest([certIdOf(ours)]));
    expect({ ...readAtOnce(certIdOf(ours)), isReadable: true }).toEqual({ ...answer, times });
  });

  test.each(unauthorized)('of %s there is none', (_name, certId) => {
    expect(readAtOnce(certId)).toBeUndefined();
  });

  test('nor one whose time is over, and damage is told', () => {
    expect(readAtOnce(certIdOf(ours), { nextUpdateMs: nowMs })).toBeUndefined();
    expect(readAtOnce(certIdOf(ours), { responder: 'gone' })).toBeUndefined();
    expect(() => readAtOnce(certIdOf(ours), { packed: Buffer.of(9) })).toThrow(/is damaged/);
  });
});

describe('with a responder', () => {
  test('a nonce is echoed where the policy says so, and such an answer is for nobody else', async () => {
    const ports = withKey('echo');
    const answer = await answerOcspRequest(ports, aRequest([certIdOf(ours)], [nonce]));
    expect(answer).toMatchObject({ kind: 'successful', isForAll: false });
    expect(ports.signed[0]?.nonce).toEqual(new Uint8Array(Buffer.alloc(32, 5)));
    const ignoring = withKey('ignore');
    const other = await answerOcspRequest(ignoring, aRequest([certIdOf(ours)], [nonce]));
    expect(other).toMatchObject({ kind: 'successful', isForAll: true });
    expect(ignoring.signed).toHaveLength(0);
  });

  test('several are answered together, in the CertIDs that were asked for', async () => {
    const ports = withKey('echo');
    const certIds = [certIdOf(ours, undefined, 'sha1'), certIdOf(ours, Buffer.of(7))];
    const answer = await answerOcspRequest(ports, aRequest(certIds));
    expect(answer).toMatchObject({
      kind: 'successful',
      times: { thisUpdateMs: nowMs, nextUpdateMs: nowMs + 600_000 },
    });
    const { responses = [] } = ports.signed[0] ?? {};
    expect(responses.map(({ certIdDer }) => Buffer.from(certIdDer))).toEqual(
      certIds.map((certId) => Buffer.from(certId)),
    );
    expect(responses.map(({ status }) => status.kind)).toEqual(['unknown', 'unknown']);
  });

  test.each([
    ['of several issuers', [certIdOf(ours), certIdOf(second)]],
    ['of an issuer without a responder', [certIdOf(second)]],
  ])('what is %s is unauthorized', async (_name, certIds) => {
    const answer = await answerOcspRequest(withKey('echo'), aRequest(certIds));
    expect(answer.kind).toBe('unauthorized');
  });

  test('a CA certificate is of the time of the CRL that tells of it, and never outlives that', async () => {
    const ports = withKey('echo');
    const crl = { thisUpdateSeconds: nowMs / 1_000 - 3_600, nextUpdateSeconds: nowMs / 1_000 + 60 };
    const asked = askingCas(ports, { status: { kind: 'good' }, ...crl });
    const answer = await answerOcspRequest(asked, aRequest([certIdOf(ours, Buffer.of(7))]));
    expect(answer).toMatchObject({
      kind: 'successful',
      times: { thisUpdateMs: nowMs - 3_600_000, nextUpdateMs: nowMs + 60_000 },
    });
    expect(ports.signed[0]).toMatchObject({ producedAtSeconds: nowMs / 1_000, responses: [crl] });
  });

  test('where that CRL is over nobody is told that it is good', async () => {
    const ports = withKey('echo');
    const request = aRequest([certIdOf(ours), certIdOf(ours, Buffer.of(7))]);
    const answer = await answerOcspRequest(askingCas(ports, 'untold'), request);
    expect(answer.der).toEqual(encodeErrorResponse('unauthorized'));
    expect(ports.signed).toHaveLength(0);
  });

  test('a status that cannot be read is never told', async () => {
    const down = new CertmillError('FAULT_STORE_DOWN', 'away');
    const ports = withKey('echo', () => Promise.reject(down));
    const answer = await answerOcspRequest(ports, aRequest([certIdOf(ours)], [nonce]));
    expect(answer).toMatchObject({ kind: 'tryLater', cause: down });
    expect(ports.signed).toHaveLength(0);
  });

  /** Looks up until it is released, and counts how many do so at a time. */
  function aLookUp() {
    const counts = { begun: 0, atOnce: 0, mostAtOnce: 0 };
    const released = Promise.withResolvers<undefined>();
    const findTenant = async (): Promise<undefined> => {
      counts.begun += 1;
      counts.atOnce += 1;
      counts.mostAtOnce = Math.max(counts.mostAtOnce, counts.atOnce);
      await released.promise;
      counts.atOnce -= 1;
      return undefined;
    };
    return { counts, findTenant, release: () => released.resolve(undefined) };
  }
  const numbers = Array.from({ length: 32 }, (_, index) =>
    serialNumbersOf(serialKey, batchId, index, 1, nowMs),
  );
  const ofThirtyTwo = aRequest(numbers.map((number) => certIdOf(ours, number)));

  test('a CertID that stands there 32 times is looked up and answered once', async () => {
    const { counts, findTenant, release } = aLookUp();
    release();
    const ports = withKey('echo', findTenant);
    const other = certIdOf(ours, undefined, 'sha1');
    const certIds = [other, ...Array.from({ length: 31 }, () => certIdOf(ours))];
    expect(await answerOcspRequest(ports, aRequest(certIds))).toMatchObject({ kind: 'successful' });
    expect(ports.signed[0]?.responses.map(({ certIdDer }) => Buffer.from(certIdDer))).toEqual([
      Buffer.from(other),
      Buffer.from(certIdOf(ours)),
    ]);
    expect(counts.begun).toBe(2);
  });

  test('what was signed ahead is told of one certificate that is asked about twice', async () => {
    const answer = await answerOcspRequest(keyless(), aRequest([certIdOf(ours), certIdOf(ours)]));
    expect(textOf(answer)).toContain('presigned');
  });

  test('32 certificates are looked up one after the other', async () => {
    const { counts, findTenant, release } = aLookUp();
    const ports = withKey('echo', findTenant);
    const answering = answerOcspRequest(ports, ofThirtyTwo);
    release();
    expect(await answering).toMatchObject({ kind: 'successful' });
    expect(counts).toMatchObject({ begun: 32, mostAtOnce: 1 });
    expect(ports.signed[0]?.responses).toHaveLength(32);
  });

  test('a client that is gone is looked up nothing for, and signed nothing', async () => {
    const { counts, findTenant, release } = aLookUp();
    const ports = withKey('echo', findTenant);
    const gone = new AbortController();
    const answering = answerOcspRequest(ports, ofThirtyTwo, gone.signal);
    while (counts.begun === 0) await new Promise(setImmediate);
    gone.abort();
    release();
    await answering;
    await answerOcspRequest(ports, ofThirtyTwo, gone.signal);
    expect(counts.begun).toBe(1);
    expect(ports.signed).toHaveLength(0);
  });

  test('more than can be made at once wait for their turn, more than may wait come later', async () => {
    const { counts, findTenant, release } = aLookUp();
    const places = new LivePlaces({ atOnce: 2, certificatesWaiting: 33 });
    const ports = withKey('echo', findTenant, places);
    const one = aRequest([certIdOf(ours)], [nonce]);
    const under = [one, one, ofThirtyTwo, one].map((asked) => answerOcspRequest(ports, asked));
    expect(await answerOcspRequest(ports, one)).toMatchObject({
      kind: 'tryLater',
      der: encodeErrorResponse('tryLater'),
      cause: { code: 'FAULT_OVERLOADED' },
    });
    expect(counts.begun).toBe(2);
    release();
    for (const answer of await Promise.all(under)) expect(answer.kind).toBe('successful');
    expect(counts).toMatchObject({ begun: 35, mostAtOnce: 2 });
    // Places that were given back are there for others.
    expect((await answerOcspRequest(ports, one)).kind).toBe('successful');
  });

  test('who goes while waiting gives the place in the queue back', async () => {
    const { findTenant, release } = aLookUp();
    const places = new LivePlaces({ atOnce: 1, certificatesWaiting: 1 });
    const ports = withKey('echo', findTenant, places);
    const one = aRequest([certIdOf(ours)], [nonce]);
    const first = answerOcspRequest(ports, one);
    const gone = new AbortController();
    const second = answerOcspRequest(ports, one, gone.signal);
    expect((await answerOcspRequest(ports, one)).kind).toBe('tryLater');
    gone.abort();
    expect(await second).not.toHaveProperty('cause');
    const third = answerOcspRequest(ports, one);
    release();
    expect([(await first).kind, (await third).kind]).toEqual(['successful', 'successful']);
    expect(ports.signed).toHaveLength(2);
  });
});

test.each([
  ['no OCSPRequest', Buffer.from('hello')],
  ['nothing', Buffer.alloc(0)],
  ['a critical extension that nobody knows', aRequest([certIdOf(ours)], [unknownCritical])],
])('%s is malformed', async (_name, request) => {
  const answer = await answerOcspRequest(withKey('echo'), request);
  expect(answer.der).toEqual(encodeErrorResponse('malformedRequest'));
});
