import { execFileSync, spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  encodeOid,
  encodeSequence,
  encodeSetOf,
  encodeTlv,
  type NameConstraints,
  oids,
  pemEncode,
  tags,
  type WritableSubtree,
} from '@certmill/der';
import { anIssuer, asSigningIssuer, type TestIssuer } from '../testing/an-issuer.js';
import { openSigningPools } from './open-signing-pools.js';

function named(...attributes: readonly (readonly [oid: string, value: string])[]): Uint8Array {
  return encodeSequence(
    ...attributes.map(([oid, value]) =>
      encodeSetOf(encodeSequence(encodeOid(oid), encodeTlv(tags.utf8String, Buffer.from(value)))),
    ),
  );
}

const organization = [oids.id_at_organizationName, 'Example'] as const;
const issuing = named(organization, [oids.id_at_commonName, 'Issuing']);
const subtree = (nameDer: Uint8Array) => ({ kind: 'directoryName', nameDer }) as const;
const units = subtree(named(organization, [oids.id_at_organizationalUnitName, 'Devices']));

async function responderOf(issuer: TestIssuer): Promise<Uint8Array> {
  const pools = await openSigningPools({
    openTimeoutMs: 60_000,
    issuers: [asSigningIssuer(issuer)],
    profiles: () => undefined,
    serialKeys: [{ id: 1, key: Buffer.from('00112233445566778899aabbccddeeff', 'hex') }],
    threadsPerSlot: 1,
    lanes: ['bulk', 'interactive'],
  });
  try {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const spki = publicKey.export({ type: 'spki', format: 'der' });
    const nowMs = Math.floor(Date.now() / 1_000) * 1_000;
    return await pools.certifyResponder('device-ca', spki, nowMs - 60_000, nowMs + 3_600_000);
  } finally {
    await pools.stop(1_000);
  }
}

/** Needs openssl on the PATH: what most relying parties verify with. */
describe('the name of an OCSP responder', () => {
  const issuers: TestIssuer[] = [];
  afterAll(() => {
    for (const { directory } of issuers) rmSync(directory, { recursive: true });
  });
  const issuerOf = (constraints?: NameConstraints<WritableSubtree>): TestIssuer => {
    const issuer = anIssuer('P-256', 'device-ca', issuing, constraints);
    issuers.push(issuer);
    return issuer;
  };

  it.each([
    ['no names', undefined, 'CN=OCSP device-ca'],
    [
      'the name of its organization',
      { permitted: [subtree(named(organization))], excluded: [] },
      'O=Example,CN=Issuing,CN=OCSP device-ca',
    ],
    [
      'names that are not its own',
      { permitted: [units], excluded: [] },
      'O=Example,OU=Devices,CN=OCSP device-ca',
    ],
    [
      'all but one unit',
      { permitted: [subtree(named(organization))], excluded: [units] },
      'O=Example,CN=Issuing,CN=OCSP device-ca',
    ],
  ])('keeps the constraints of an issuer of %s, as openssl has them', async (_, limits, name) => {
    const issuer = issuerOf(limits);
    const write = (file: string, der: Uint8Array): string => {
      const path = join(issuer.directory, file);
      writeFileSync(path, pemEncode('CERTIFICATE', der));
      return path;
    };
    const root = write('root.pem', issuer.certificateDer);
    const responder = write('responder.pem', await responderOf(issuer));
    const verified = spawnSync('openssl', ['verify', '-x509_strict', '-CAfile', root, responder]);
    expect(verified.stdout.toString() + verified.stderr.toString()).toContain(': OK');
    const subject = ['x509', '-noout', '-subject', '-nameopt', 'sep_comma_plus', '-in', responder];
    const text = execFileSync('openssl', subject).toString();
    expect(text.replaceAll(' = ', '=').trim()).toBe(`subject=${name}`);
  });

  it('is none where the issuer has no room for one', async () => {
    const issuer = issuerOf({ permitted: [units], excluded: [units] });
    await expect(responderOf(issuer)).rejects.toMatchObject({
      code: 'FAULT_LINT_FAILED',
      message: expect.stringContaining('4.2.1.10') as string,
    });
  });
});
