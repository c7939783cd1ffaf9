import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const configuration = `
[ca]
default_ca = issuing
[issuing]
database = index.txt
new_certs_dir = .
certificate = issuing.pem
private_key = issuing.key
serial = serial
crlnumber = crlnumber
default_md = sha256
default_days = 365
default_crl_days = 30
policy = any
copy_extensions = none
crl_extensions = crl_extensions
unique_subject = no
[any]
commonName = supplied
organizationName = optional
[crl_extensions]
authorityKeyIdentifier = keyid
[crl_partition]
authorityKeyIdentifier = keyid
issuingDistributionPoint = critical, @own_partition
[own_partition]
fullname = URI:http://crl.example/issuing.crl
[crl_other_partition]
authorityKeyIdentifier = keyid
issuingDistributionPoint = critical, @other_partition
[other_partition]
fullname = dirName:partition_name
[partition_name]
CN = partition 7
[crl_relative_partition]
authorityKeyIdentifier = keyid
issuingDistributionPoint = critical, @relative_partition
[relative_partition]
relativename = partition_name
[crl_some_reasons]
authorityKeyIdentifier = keyid
issuingDistributionPoint = critical, @some_reasons
[some_reasons]
onlysomereasons = keyCompromise, CACompromise
[crl_unreadable_partition]
authorityKeyIdentifier = keyid
issuingDistributionPoint = critical, DER:30030101
[crl_delta]
authorityKeyIdentifier = keyid
2.5.29.27 = critical, DER:02012A
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[issuing_ca]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[constrained_ca]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
nameConstraints = critical, permitted;DNS:example, permitted;IP:192.0.2.0/255.255.255.0, excluded;DNS:bad.example
[code_signing_ca]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
extendedKeyUsage = codeSigning
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[any_purpose]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[checked_responder]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = OCSPSigning
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[strange_responder]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = OCSPSigning
1.2.3.4 = critical, DER:0500
[unchecked_responder]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, OCSPSigning
noCheck = critical, ignored
[elsewhere]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:device.bad.example
[device]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:device.example, URI:urn:example:1, IP:192.0.2.7
crlDistributionPoints = URI:http://crl.example/issuing.crl
authorityInfoAccess = OCSP;URI:http://ocsp.example/
[plain_device]
basicConstraints = critical, CA:FALSE
subjectKeyIdentifier = none
authorityKeyIdentifier = none
[responder]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = OCSPSigning
noCheck = ignored
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[req]
distinguished_name = dn
[dn]
`;

/**
 * A PKI that OpenSSL makes: `root.pem`, `issuing.pem`, certificates of devices, CRLs and OCSP responses,
 * all in one temporary folder. Disposed with it.
 */
export class OpensslPki {
  readonly folder = mkdtempSync(join(tmpdir(), 'certmill-openssl-pki-'));

  constructor() {
    writeFileSync(this.path('pki.cnf'), configuration);
    writeFileSync(this.path('index.txt'), '');
    writeFileSync(this.path('serial'), '5A01\n');
    writeFileSync(this.path('crlnumber'), '2A\n');
    this.key('root');
    this.run(
      ...['req', '-x509', '-config', 'pki.cnf', '-extensions', 'root', '-key', 'root.key'],
      ...['-subj', '/O=Example/CN=root', '-days', '3650', '-out', 'root.pem'],
    );
    this.signedBy('root', 'issuing', '/O=Example/CN=issuing', 'issuing_ca');
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  writePem(name: string, label: 'CERTIFICATE' | 'X509 CRL', der: Uint8Array): void {
    const base64 = Buffer.from(der)
      .toString('base64')
      .replace(/(.{64})/g, '$1\n');
    writeFileSync(this.path(name), `-----BEGIN ${label}-----\n${base64}\n-----END ${label}-----\n`);
  }

  run(...args: readonly string[]): string {
    return execFileSync('openssl', args, {
      cwd: this.folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  key(name: string): void {
    this.run('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', `${name}.key`);
  }

  /** `<name>.pem` for a new key, recorded in the CA's database where `issuing` signs. */
  device(name: string, section = 'device'): void {
    this.key(name);
    this.request(name, `/O=Example/CN=${name}`);
    this.run(
      ...['ca', '-batch', '-config', 'pki.cnf', '-extensions', section, '-notext'],
      ...['-in', `${name}.csr`, '-out', `${name}.pem`],
    );
  }

  request(name: string, subject: string): void {
    this.run(
      ...['req', '-new', '-config', 'pki.cnf', '-key', `${name}.key`, '-subj', subject],
      ...['-out', `${name}.csr`],
    );
  }

  /** `<name>.pem` for a new key, under any CA of the folder and in nobody's database. */
  signedBy(issuer: string, name: string, subject: string, section: string): void {
    this.key(name);
    this.request(name, subject);
    this.run(
      ...['x509', '-req', '-in', `${name}.csr`, '-CA', `${issuer}.pem`, '-CAkey', `${issuer}.key`],
      ...['-extfile', 'pki.cnf', '-extensions', section, '-days', '3000', '-out', `${name}.pem`],
    );
  }

  revoke(name: string, reason = 'keyCompromise'): void {
    this.run(...['ca', '-config', 'pki.cnf', '-revoke', `${name}.pem`, '-crl_reason', reason]);
  }

  crl(name: string, ...options: readonly string[]): void {
    this.run('ca', '-config', 'pki.cnf', '-gencrl', '-out', `${name}.crl`, ...options);
  }

  /** `<name>.ocsp`: what a responder with the key of `signer` says of the certificates. */
  ocsp(name: string, signer: string, certificates: readonly string[], ...options: string[]): void {
    this.run(
      ...['ocsp', '-issuer', 'issuing.pem', '-reqout', `${name}.req`],
      ...certificates.flatMap((certificate) => ['-cert', `${certificate}.pem`]),
    );
    this.run(
      ...['ocsp', '-index', 'index.txt', '-CA', 'issuing.pem', '-reqin', `${name}.req`],
      ...['-rsigner', `${signer}.pem`, '-rkey', `${signer}.key`, '-respout', `${name}.ocsp`],
      ...(options.length > 0 ? options : ['-ndays', '7']),
    );
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
