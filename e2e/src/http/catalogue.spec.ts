import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pemEncode } from '@certmill/der';
import { type builtInProfileNames, builtInProfiles } from '@certmill/domain/profile-files';
import {
  createHierarchy,
  distinguishedNameDer,
  issueAuthority,
  loadIssuer,
  parseDistinguishedName,
} from '@certmill/trust';
import { type KeyKind, openssl, opensslCsr } from '../cli/testing/openssl.js';
import { aCsr, anMlDsaKey } from '../testing/a-csr.js';
import { aDataFolder, anOrder, aServerIn, type TestServer } from './test-server.js';

interface Device {
  /** `line` where absent. */
  readonly issuer?: string;
  readonly key: KeyKind | 'ml-dsa-65';
  readonly subject: string;
  /** hwType and hwSerialNum in hex of the requested subjectAltName. */
  readonly hardware?: readonly [hwType: string, serial: string];
  /** Heading and row of the allow-list; without one the order has none. */
  readonly allowed?: string;
  /** What openssl prints of the certificate. */
  readonly shows: readonly (string | RegExp)[];
  /** As which relying parties use it. */
  readonly purpose?: 'sslclient' | 'sslserver';
}

/** Of the test server. */
const passphrase = 'only for this test';
const noEnd = 'Not After : Dec 31 23:59:59 9999 GMT';
const status = /URI:http:\/\/status\.example\.com\/crl\/line\/[0-9]+\.crl/;
const tpm = ['2.23.133.1.2', 'ab'.repeat(32)] as const;

const devices: Readonly<Record<(typeof builtInProfileNames)[number], Device>> = {
  idevid: { key: 'p256', subject: '/serialNumber=SN-1', shows: [noEnd, status] },
  'idevid-tpm': {
    key: 'p384',
    subject: '/serialNumber=SN-2',
    hardware: tpm,
    shows: [noEnd, status, 'othername: 1.3.6.1.5.5.7.8.4'],
  },
  ldevid: {
    key: 'p256',
    subject: '/serialNumber=SN-3',
    shows: [status, 'TLS Web Client Authentication'],
    purpose: 'sslclient',
  },
  'ldevid-tpm': {
    key: 'rsa2048',
    subject: '/serialNumber=SN-4',
    hardware: tpm,
    shows: [status, 'othername: 1.3.6.1.5.5.7.8.4'],
    purpose: 'sslclient',
  },
  'matter-dac': {
    issuer: 'pai',
    key: 'p256',
    subject: '/CN=dac-1',
    allowed: 'deviceId,vid,pid\ndac-1,fff1,8000\n',
    shows: [noEnd, '1.3.6.1.4.1.37244.2.1 = FFF1, 1.3.6.1.4.1.37244.2.2 = 8000'],
  },
  'wi-sun-fan': {
    key: 'p256',
    subject: '/CN=left-out',
    hardware: ['1.3.6.1.4.1.32473.1', '00005eef10000001'],
    shows: [noEnd, /Subject: ?\n/, /Alternative Name: critical/, '1.3.6.1.4.1.45605.1'],
    purpose: 'sslclient',
  },
  'aws-iot': {
    key: 'p256',
    subject: '/CN=thing-1/serialNumber=SN-7',
    shows: ['Subject: CN = thing-1, serialNumber = SN-7', status],
    purpose: 'sslclient',
  },
  'azure-dps': {
    key: 'p384',
    subject: '/CN=Line-7:unit_1.a-',
    shows: ['Subject: CN = Line-7:unit_1.a-', status],
    purpose: 'sslclient',
  },
  'tls-client': {
    key: 'ed25519',
    subject: '/CN=gateway-1',
    shows: ['Subject: CN = gateway-1', status],
    purpose: 'sslclient',
  },
  'tls-server': {
    key: 'p256',
    subject: '/CN=gateway-2.example.com',
    shows: ['DNS:gateway-2.example.com', status],
    purpose: 'sslserver',
  },
  'code-signing': { key: 'p256', subject: '/CN=build-1', shows: [/: critical\s+Code Signing/] },
  'firmware-signing': {
    key: 'p384',
    subject: '/CN=firmware-1',
    shows: ['Subject: OU = Firmware signing, CN = firmware-1', /: critical\s+Code Signing/],
  },
  'short-lived': {
    key: 'ed25519',
    subject: '/CN=shift-1',
    shows: [/2\.5\.29\.56|No Revocation Available/],
    purpose: 'sslclient',
  },
  'ml-dsa-device': { key: 'ml-dsa-65', subject: '/CN=quantum-1', shows: [status] },
};

/** A request as a factory engineer makes one; the PEM. */
function csrOf(folder: string, name: string, { key, subject, hardware }: Device): string {
  if (key === 'ml-dsa-65') {
    return pemEncode('CERTIFICATE REQUEST', aCsr(subject.replace('/CN=', ''), anMlDsaKey(key)));
  }
  const file = join(folder, `${name}.csr.pem`);
  const options: string[] = [];
  if (hardware !== undefined) {
    const [hwType, serial] = hardware;
    const configuration = join(folder, `${name}.cnf`);
    writeFileSync(
      configuration,
      '[req]\ndistinguished_name = dn\nreq_extensions = extensions\n[dn]\n' +
        '[extensions]\nsubjectAltName = otherName:1.3.6.1.5.5.7.8.4;SEQ:module\n' +
        `[module]\nhwType = OID:${hwType}\nhwSerialNum = FORMAT:HEX,OCT:${serial}\n`,
    );
    options.push('-config', configuration);
  }
  opensslCsr(key, subject, file, ...options);
  return readFileSync(file, 'utf8');
}

async function ask(
  server: TestServer,
  order: string,
  name: string,
  device: Device,
): Promise<Response> {
  return server.call('POST', `/v1/orders/${order}/certificates`, {
    headers: { 'content-type': 'application/x-pem-file' },
    body: csrOf(server.data, name, device),
  });
}

async function issued(server: TestServer, name: string, device: Device): Promise<string> {
  const { issuer = 'line', allowed } = device;
  const order = { profile: name, issuer, requiresAllowList: allowed !== undefined };
  expect((await anOrder(server, name, order)).status).toBe(201);
  if (device.allowed !== undefined) {
    const listed = await server.call('PUT', `/v1/orders/${name}/devices`, {
      headers: { 'content-type': 'text/csv' },
      body: device.allowed,
    });
    expect(listed.status).toBe(200);
  }
  const answer = await ask(server, name, name, device);
  const certificate = await answer.text();
  expect([name, answer.status, certificate]).toEqual([
    name,
    201,
    expect.stringContaining('-----BEGIN CERTIFICATE-----'),
  ]);
  return certificate;
}

describe('every profile of the catalogue', () => {
  it('issues a certificate that openssl takes for what it is meant to be', async () => {
    await using folder = await aDataFolder();
    await createHierarchy({
      name: 'line',
      directory: folder.path,
      passphrase,
      // As a product attestation authority has it (Matter Core Specification 6.2.2.5).
      rootKeyType: 'ec-p256',
      status: { baseUri: 'http://status.example.com', crlShards: 16 },
      nowMs: Date.now(),
    });
    await issueAuthority(
      {
        name: 'pai',
        directory: folder.path,
        passphrase,
        subjectDer: distinguishedNameDer(parseDistinguishedName('CN=PAI,matterVendorId=FFF1')),
        keyType: 'ec-p256',
        pathLenConstraint: 0,
      },
      { directory: folder.path, name: 'root', passphrase },
      Date.now(),
    );
    writeFileSync(join(folder.path, 'test-passphrase'), passphrase);
    await using server = await aServerIn(folder.path);
    const rootFile = join(folder.path, 'ca/root/certificate.pem');
    expect(Object.keys(devices)).toEqual([...builtInProfiles().keys()]);
    for (const [name, device] of Object.entries(devices)) {
      const issuer = await loadIssuer(folder.path, device.issuer ?? 'line');
      const issuingKey = new X509Certificate(issuer.chainDer[0]!).publicKey;
      const file = join(folder.path, `${name}.pem`);
      writeFileSync(file, await issued(server, name, device));
      expect(new X509Certificate(readFileSync(file)).verify(issuingKey)).toBe(true);
      const text = openssl('x509', '-in', file, '-noout', '-text');
      for (const shown of device.shows) expect(text).toMatch(shown);
      // The openssl of most machines knows no ML-DSA yet; Node's, above, does.
      if (device.key === 'ml-dsa-65') continue;
      const purpose = device.purpose === undefined ? [] : ['-purpose', device.purpose];
      const trusted = ['-CAfile', rootFile, '-untrusted', issuer.chainFile];
      expect(openssl('verify', '-x509_strict', ...purpose, ...trusted, file)).toContain(': OK');
    }
    // A registration id that differs in case only is the same device to Azure.
    const namesake = { ...devices['azure-dps'], subject: '/CN=LINE-7:unit_1.A-' };
    const refused = await ask(server, 'azure-dps', 'namesake', namesake);
    expect(await refused.json()).toMatchObject({ status: 409, code: 'DEVICE_ALREADY_ISSUED' });
  });
});
