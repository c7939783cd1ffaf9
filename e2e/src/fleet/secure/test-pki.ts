import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openssl } from '../../cli/testing/openssl.js';

const newKey = ['-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'] as const;

export interface Identity {
  readonly certFile: string;
  readonly keyFile: string;
  /** Key and certificate, as brokers take them. */
  readonly keystoreFile: string;
}

interface LeafOptions {
  /** As in `IP:127.0.0.1`. */
  readonly name?: string;
  /** Below 0: it is over already. */
  readonly days?: number;
}

/** Certificates of servers and clients as an administrator makes them, in a new folder. */
export class TestPki {
  readonly #folder: string;

  constructor(folder: string) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.#folder = folder;
  }

  /** The file of the CA's certificate. */
  ca(name: string): string {
    const certFile = this.#at(`${name}.pem`);
    const files = ['-keyout', this.#at(`${name}.key`), '-out', certFile];
    openssl('req', '-x509', ...newKey, '-subj', `/CN=${name}`, '-days', '2', ...files);
    return certFile;
  }

  leaf(name: string, ca: string, options: LeafOptions = {}): Identity {
    const [certFile, keyFile] = [this.#at(`${name}.pem`), this.#at(`${name}.key`)];
    const [request, extensions] = [this.#at(`${name}.csr`), this.#at(`${name}.ext`)];
    openssl('req', '-new', ...newKey, '-subj', `/CN=${name}`, '-keyout', keyFile, '-out', request);
    const names = `subjectAltName=${options.name ?? 'IP:127.0.0.1'}`;
    writeFileSync(extensions, `basicConstraints=CA:FALSE\n${names}\n`);
    openssl(
      ...['x509', '-req', '-in', request, '-extfile', extensions, '-out', certFile],
      ...['-CA', this.#at(`${ca}.pem`), '-CAkey', this.#at(`${ca}.key`), '-CAcreateserial'],
      ...['-days', String(options.days ?? 2)],
    );
    const keystoreFile = this.#at(`${name}.keystore`);
    const keystore = readFileSync(keyFile, 'utf8') + readFileSync(certFile, 'utf8');
    writeFileSync(keystoreFile, keystore, { mode: 0o600 });
    return { certFile, keyFile, keystoreFile };
  }

  #at(file: string): string {
    return join(this.#folder, file);
  }
}
