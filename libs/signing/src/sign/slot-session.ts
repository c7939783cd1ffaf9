import { verify, type KeyObject } from 'node:crypto';
import { CertmillError, type StatusAddresses, type TenantId } from '@certmill/domain';
import type {
  Signer,
  SignerModule,
  SigningRequest,
  SlotLatches,
  SlotModule,
} from '../slots/signing-slot.js';
import { publicKeyOf, signatureSchemeOf, type SignatureScheme } from '../slots/signature-scheme.js';
import type { BoundOrder } from './issuance-rules.js';
import { readIssuerCertificate, type IssuerCertificate } from './issuer-certificate.js';
import type { IssuerOpening } from './sign-messages.js';
import { UsageMeter, type SlotUsage } from './slot-usage.js';

/** No DER, so that its signature is worth nothing. */
const probe = Buffer.from('Certmill tries this key; this is no certificate');

/** Why a slot cannot be used: thrown in workers, where it separates the slot's faults from a chunk's. */
export class SlotFailure extends Error {
  readonly fault: CertmillError;

  constructor(fault: CertmillError) {
    super(fault.message, { cause: fault });
    this.fault = fault;
  }
}

/** Read once for each opening: a public key costs OpenSSL as much as two signatures. */
interface OpenedIssuer {
  readonly certificate: IssuerCertificate;
  readonly scheme: SignatureScheme;
  readonly publicKey: KeyObject;
}

/** An issuer's key as one worker holds it. */
export class SlotSession {
  /** `IssuerOpening.id`. */
  readonly id: string;
  readonly issuerName: string;
  /** That it signs for; every tenant where absent. */
  readonly tenants: readonly TenantId[] | undefined;
  /** That it signs for; every order where absent. */
  readonly order: BoundOrder | undefined;
  readonly issuer: IssuerCertificate;
  /** Undefined: its certificates say nothing of where their status is. */
  readonly status: StatusAddresses | undefined;
  readonly scheme: SignatureScheme;
  /**
   * RSA signatures are all verified: it costs a tenth of making one, and a single faulty CRT signature
   * gives the key away (Boneh, DeMillo, Lipton 1997). Of the others a chunk's first one is: verifying
   * P-256 costs nearly three times what signing does.
   */
  readonly verifiesAll: boolean;
  private readonly slotName: string;
  private readonly signer: Signer;
  private readonly publicKey: KeyObject;
  private readonly meter = new UsageMeter();
  private repairsTold = 0;

  private constructor(data: IssuerOpening, issuer: OpenedIssuer, signer: Signer) {
    this.id = data.id;
    this.issuerName = data.issuerName;
    this.tenants = data.tenants;
    this.order = data.order;
    this.issuer = issuer.certificate;
    this.status = data.status;
    this.scheme = issuer.scheme;
    this.verifiesAll = this.scheme.algorithm.startsWith('rsa-');
    this.slotName = data.slot.name;
    this.signer = signer;
    this.publicKey = issuer.publicKey;
  }

  /**
   * Opens the slot's key and checks that it is the issuer's: by its public part and by a signature, so
   * that a slot which hangs or fails when it signs is found before it has a chunk. Throws SlotFailure.
   */
  static async open(data: IssuerOpening, latches: SlotLatches): Promise<SlotSession> {
    try {
      const issuer = openedIssuer(data);
      const { hash } = issuer.scheme;
      const module = (await import(data.slot.signerModule)) as SignerModule;
      const signer = await module.openSigner(data.slot.settings, { hash }, latches);
      try {
        assertIssuersKey(signer, issuer, data);
        return new SlotSession(data, issuer, await wrapped(signer, data));
      } catch (error) {
        signer.close?.();
        throw error;
      }
    } catch (error) {
      throw failureOf(error, `slot ${data.slot.name} cannot be opened`);
    }
  }

  /** Throws SlotFailure. */
  sign(tbs: Uint8Array, request: SigningRequest): Uint8Array {
    const begunMs = performance.now();
    try {
      return this.signer.sign(tbs, request);
    } catch (error) {
      throw failureOf(error, `slot ${this.slotName} cannot sign`);
    } finally {
      this.meter.noteSignature((performance.now() - begunMs) / 1e3);
    }
  }

  /** What it was used for since the last call, a task of `taskSeconds` among it. */
  takeUsage(taskSeconds: number): SlotUsage {
    const { repairs = 0 } = this.signer;
    this.meter.noteChunk(taskSeconds, repairs - this.repairsTold);
    this.repairsTold = repairs;
    return this.meter.take();
  }

  close(): void {
    this.signer.close?.();
  }

  /** Throws SlotFailure where the signature does not verify with the issuer's certificate. */
  verify(tbs: Uint8Array, signature: Uint8Array): void {
    if (isVerified(this.scheme.hash, tbs, this.publicKey, signature)) return;
    throw new SlotFailure(
      new CertmillError('FAULT_HSM_LOST', `slot ${this.slotName} made a signature that is wrong`),
    );
  }
}

function openedIssuer(data: IssuerOpening): OpenedIssuer {
  const certificate = readIssuerCertificate(
    data.issuerName,
    data.issuerCertificateDer,
    data.aboveDer,
  );
  const { subjectPKInfoDer } = certificate;
  return {
    certificate,
    scheme: signatureSchemeOf(subjectPKInfoDer, data.rsaHash),
    publicKey: publicKeyOf(subjectPKInfoDer),
  };
}

function assertIssuersKey(
  signer: Signer,
  { certificate, scheme, publicKey }: OpenedIssuer,
  { slot, issuerName }: IssuerOpening,
): void {
  const isSame =
    Buffer.compare(signer.subjectPKInfoDer, certificate.subjectPKInfoDer) === 0 &&
    isVerified(scheme.hash, probe, publicKey, signer.sign(probe, { batchId: '', index: 0 }));
  if (isSame) return;
  throw new CertmillError(
    'FAULT_KEY_MISMATCH',
    `slot ${slot.name} holds another key than the certificate of issuer ${issuerName}`,
  );
}

async function wrapped(signer: Signer, { slot }: IssuerOpening): Promise<Signer> {
  if (slot.slotModule === undefined) return signer;
  const module = (await import(slot.slotModule)) as SlotModule;
  return module.wrapSigner(signer, slot.name);
}

function isVerified(
  hash: string | null,
  tbs: Uint8Array,
  key: KeyObject,
  signature: Uint8Array,
): boolean {
  try {
    return verify(hash, tbs, key, signature);
  } catch {
    return false;
  }
}

function failureOf(error: unknown, message: string): SlotFailure {
  if (error instanceof SlotFailure) return error;
  return new SlotFailure(
    error instanceof CertmillError
      ? error
      : new CertmillError('FAULT_HSM_LOST', message, { cause: error }),
  );
}
