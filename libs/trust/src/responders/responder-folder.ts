import { generateKeyPair, hash, X509Certificate } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CertmillError, isCertmillError } from '@certmill/domain';
import { pemEncode } from '@certmill/der';
import type { AuditStore, Clock, OcspResponder, ResponderCertifier } from '@certmill/ports';
import { isErrorCode, secretFileMode, writeFileAtomically } from '../atomic-file.js';
import { certificatesInPem } from '../hierarchy/ca-certificate.js';
import type { Issuer } from '../hierarchy/load-issuers.js';
import { encryptPrivateKey } from '../keys/encrypted-private-key.js';

/** A responder as it lies in its file: public, and its key encrypted. */
export interface StoredResponder extends OcspResponder {
  readonly encryptedKeyPem: string;
  readonly notBeforeMs: number;
}

export interface ResponderFolderOptions {
  /** Made where it is not there, mode 0700; `<issuer>.pem` in it holds key and certificate. */
  readonly directory: string;
  readonly issuerOf: (
    name: string,
  ) => Pick<Issuer, 'chainDer' | 'notBeforeMs' | 'notAfterMs'> | undefined;
  /** Of the keys that are made. */
  readonly readPassphrase: () => Promise<string>;
  /** Absent: another process renews the files, and this one only reads them. */
  readonly certifier?: ResponderCertifier;
  /** Of which issuers the certifier has the key; of all where absent. */
  readonly certifies?: (issuer: string) => boolean;
  /** Each one that is certified is noted there before it is used. */
  readonly audit: Pick<AuditStore, 'appendAudit'>;
  readonly clock: Clock;
  /** 30 days where absent. */
  readonly lifeMs?: number;
  /** A renewal failed; it is tried again while the certificate in force lasts. */
  readonly onFault?: (issuer: string, error: unknown) => void;
}

const dayMs = 24 * 3_600_000;
export const defaultResponderLifeMs = 30 * dayMs;
/** Clients' clocks are late: a certificate of this moment would be refused. */
const backdateMs = 600_000;
/** Renewed when less than this part of its life is left. */
const renewalShare = 1 / 3;
/** Between two tries of a renewal, and two looks at files that another process renews. */
const pauseMs = 60_000;
/** After a first failure where no responder is in force; each further one doubles it, up to `pauseMs`. */
const firstPauseMs = 1_000;
const makeKeyPair = promisify(generateKeyPair);

/** Of an issuer whose responder could not be made or read. */
interface Failure {
  readonly atMs: number;
  readonly pauseMs: number;
  readonly cause: unknown;
}

/**
 * The delegated responders of issuers, each with a P-256 key of its own that certifies nothing (RFC 6960
 * 4.2.2.2). One is made when it is first asked for and renewed, key and all, before its end: ten
 * thousand issuers cost no start. A file that is damaged, or is of another issuer, is replaced.
 */
export class ResponderFolder {
  readonly #options: ResponderFolderOptions;
  readonly #known = new Map<string, StoredResponder>();
  readonly #underWay = new Map<string, Promise<StoredResponder | undefined>>();
  readonly #triedAtMs = new Map<string, number>();
  readonly #failures = new Map<string, Failure>();

  constructor(options: ResponderFolderOptions) {
    this.#options = options;
  }

  /**
   * The responder in force; undefined where the issuer is unknown or has ended, or nobody here can
   * make one. Faults, where no other one is in force: those of `certifyResponder`, and FAULT_OVERLOADED in
   * the pause after one, for anybody can ask and each try may cost a signature of the CA.
   */
  async responderOf(issuer: string): Promise<StoredResponder | undefined> {
    const nowMs = this.#options.clock.nowMs();
    const inForce = this.#inForce(issuer, nowMs);
    if (inForce !== undefined && nowMs < renewalOf(inForce)) return inForce;
    if (inForce === undefined) {
      this.#assertNoPause(issuer, nowMs);
      return this.#renewed(issuer);
    }
    if (nowMs - (this.#triedAtMs.get(issuer) ?? 0) >= pauseMs) {
      this.#renewed(issuer).catch((error: unknown) => this.#options.onFault?.(issuer, error));
    }
    return inForce;
  }

  #inForce(issuer: string, nowMs: number): StoredResponder | undefined {
    const known = this.#known.get(issuer);
    return known !== undefined && isInForce(known, nowMs) ? known : undefined;
  }

  /**
   * The first end, in Unix milliseconds, among responders that should have a successor and have none: asked
   * for since their renewal was due, in force or over, and not the last ones of issuers that end or have ended;
   * undefined where all is well.
   */
  firstOverdueEndMs(): number | undefined {
    const nowMs = this.#options.clock.nowMs();
    const ends = [...this.#known]
      .filter(([name, known]) => this.#isOverdue(name, known, nowMs))
      .map(([, { notAfterMs }]) => notAfterMs);
    return ends.length === 0 ? undefined : ends.reduce((first, end) => Math.min(first, end));
  }

  #isOverdue(name: string, known: StoredResponder, nowMs: number): boolean {
    const issuer = this.#options.issuerOf(name);
    if (issuer === undefined || nowMs >= issuer.notAfterMs || isLastOf(issuer, known)) return false;
    return (this.#triedAtMs.get(name) ?? -Infinity) >= renewalOf(known);
  }

  #renewed(issuer: string): Promise<StoredResponder | undefined> {
    const underWay = this.#underWay.get(issuer);
    if (underWay !== undefined) return underWay;
    const renewal = this.#tryToRenew(issuer).finally(() => this.#underWay.delete(issuer));
    this.#underWay.set(issuer, renewal);
    return renewal;
  }

  async #tryToRenew(issuer: string): Promise<StoredResponder | undefined> {
    const atMs = this.#options.clock.nowMs();
    this.#triedAtMs.set(issuer, atMs);
    try {
      const renewed = await this.#renew(issuer);
      this.#failures.delete(issuer);
      return renewed;
    } catch (cause) {
      const before = this.#failures.get(issuer);
      const pause = before === undefined ? firstPauseMs : Math.min(pauseMs, before.pauseMs * 2);
      this.#failures.set(issuer, { atMs, pauseMs: pause, cause });
      const inForce = this.#inForce(issuer, atMs);
      if (inForce === undefined) throw cause;
      this.#options.onFault?.(issuer, cause);
      return inForce;
    }
  }

  #assertNoPause(issuer: string, nowMs: number): void {
    const failure = this.#failures.get(issuer);
    if (failure === undefined) return;
    const { atMs, pauseMs: pause, cause } = failure;
    if (nowMs < atMs || nowMs >= atMs + pause) return;
    throw new CertmillError(
      'FAULT_OVERLOADED',
      `there is no OCSP responder of ${issuer}, and making one has just failed`,
      { cause },
    );
  }

  async #renew(name: string): Promise<StoredResponder | undefined> {
    const { clock, issuerOf, certifies = () => true } = this.#options;
    const certifier = certifies(name) ? this.#options.certifier : undefined;
    const issuer = issuerOf(name);
    const nowMs = clock.nowMs();
    if (issuer === undefined || nowMs >= issuer.notAfterMs) return undefined;
    const stored = await this.#read(name, issuer);
    const isGood = stored !== undefined && isInForce(stored, nowMs);
    if (isGood) this.#known.set(name, stored);
    else this.#keepEnd(name, stored, nowMs);
    const isLast = stored !== undefined && isLastOf(issuer, stored);
    if (isGood && (nowMs < renewalOf(stored) || isLast || certifier === undefined)) return stored;
    if (certifier === undefined) return undefined;
    const made = await this.#make(name, issuer, certifier, nowMs);
    this.#known.set(name, made);
    return made;
  }

  /** Of one that is not in force: its end is told, unless another one is used still. */
  #keepEnd(name: string, stored: StoredResponder | undefined, nowMs: number): void {
    if (this.#inForce(name, nowMs) !== undefined) return;
    if (stored === undefined) this.#known.delete(name);
    else this.#known.set(name, stored);
  }

  async #make(
    name: string,
    issuer: Pick<Issuer, 'chainDer' | 'notBeforeMs' | 'notAfterMs'>,
    certifier: ResponderCertifier,
    nowMs: number,
  ): Promise<StoredResponder> {
    const { lifeMs = defaultResponderLifeMs, readPassphrase, directory, audit } = this.#options;
    const { publicKey, privateKey } = await makeKeyPair('ec', { namedCurve: 'P-256' });
    const certificateDer = await certifier.certifyResponder(
      name,
      publicKey.export({ type: 'spki', format: 'der' }),
      Math.max(issuer.notBeforeMs, nowMs - backdateMs),
      Math.min(issuer.notAfterMs, nowMs + lifeMs),
    );
    const pkcs8Der = privateKey.export({ type: 'pkcs8', format: 'der' });
    const encryptedKeyPem = await encryptPrivateKey(pkcs8Der, await readPassphrase());
    pkcs8Der.fill(0);
    const made = readResponder(name, issuer, certificateDer, encryptedKeyPem);
    if (made === undefined) {
      throw new CertmillError(
        'FAULT_KEY_MISMATCH',
        `the certificate of ${name}'s OCSP responder is not signed by its issuer`,
      );
    }
    const { serialNumber } = new X509Certificate(certificateDer);
    const until = new Date(made.notAfterMs).toISOString();
    await audit.appendAudit({
      atMs: nowMs,
      actor: 'certmill ocsp',
      action: 'responder.certified',
      detail: { issuer: name, serialNumber: serialNumber.toLowerCase(), until },
    });
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const content = encryptedKeyPem + pemEncode('CERTIFICATE', certificateDer);
    await writeFileAtomically(this.#fileOf(name), content, secretFileMode);
    return made;
  }

  async #read(
    name: string,
    issuer: Pick<Issuer, 'chainDer'>,
  ): Promise<StoredResponder | undefined> {
    try {
      const text = await readFile(this.#fileOf(name), 'utf8');
      const [certificateDer] = certificatesInPem(text);
      const keyEnd = text.indexOf('-----BEGIN CERTIFICATE-----');
      return certificateDer && readResponder(name, issuer, certificateDer, text.slice(0, keyEnd));
    } catch (error) {
      if (isErrorCode(error, 'ENOENT')) return undefined;
      if (isCertmillError(error)) throw error;
      const file = this.#fileOf(name);
      throw new CertmillError('CONFIG_INVALID', `${file} cannot be read`, { cause: error });
    }
  }

  #fileOf(issuer: string): string {
    return join(this.#options.directory, `${issuer}.pem`);
  }
}

function isInForce({ notBeforeMs, notAfterMs }: StoredResponder, nowMs: number): boolean {
  return notBeforeMs <= nowMs && nowMs < notAfterMs;
}

/** Short of its issuer's end there is nothing longer to be had. */
function isLastOf(issuer: Pick<Issuer, 'notAfterMs'>, { notAfterMs }: StoredResponder): boolean {
  return notAfterMs >= issuer.notAfterMs - 1_000;
}

function renewalOf({ notBeforeMs, notAfterMs }: StoredResponder): number {
  return notAfterMs - (notAfterMs - notBeforeMs) * renewalShare;
}

/** Undefined where the certificate is none, or its issuer's key did not sign it. */
function readResponder(
  issuerName: string,
  issuer: Pick<Issuer, 'chainDer'>,
  certificateDer: Uint8Array,
  encryptedKeyPem: string,
): StoredResponder | undefined {
  const certificate = parsed(certificateDer);
  const issuerCertificate = parsed(issuer.chainDer[0] ?? new Uint8Array());
  if (certificate === undefined || issuerCertificate === undefined) return undefined;
  if (!certificate.verify(issuerCertificate.publicKey)) return undefined;
  return {
    id: hash('sha256', certificateDer, 'hex'),
    issuer: issuerName,
    certificateDer,
    encryptedKeyPem,
    notBeforeMs: Date.parse(certificate.validFrom),
    notAfterMs: Date.parse(certificate.validTo),
  };
}

function parsed(der: Uint8Array): X509Certificate | undefined {
  try {
    return new X509Certificate(der);
  } catch {
    return undefined;
  }
}
