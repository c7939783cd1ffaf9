import { CertmillError, type StatusAddresses, type TenantId } from '@certmill/domain';
import type { SigningHash } from '../slots/signature-scheme.js';
import type { SigningSlot } from '../slots/signing-slot.js';
import type { BoundOrder } from './issuance-rules.js';
import type { IssuerOpening } from './sign-messages.js';

export interface SigningIssuer {
  readonly name: string;
  /** Certificates in DER, the issuer's own first. */
  readonly chainDer: readonly Uint8Array[];
  /** Tenants that it signs for; every tenant where absent. */
  readonly tenants?: readonly TenantId[];
  /** The one order that it signs for; every order where absent. */
  readonly order?: BoundOrder;
  /** Where the status of its certificates is told (ADR 0020); absent: nowhere. */
  readonly status?: StatusAddresses;
  /** It certifies OCSP responders and signs nothing else: a CA that issues to no device. */
  readonly respondersOnly?: true;
  /** Each holds the issuer's key. */
  readonly slots: readonly SigningSlot[];
  /** Hash of RSA signatures (ECDSA's follows the curve); SHA-256 where absent. */
  readonly rsaHash?: SigningHash;
}

/** An issuer without the places of its key. */
export type UnplacedIssuer = Pick<
  SigningIssuer,
  'name' | 'chainDer' | 'tenants' | 'order' | 'status'
>;

/**
 * Gives issuers their slots, once for each object: pools take another object for another configuration, and
 * open its key anew.
 */
export function withSlots<I extends UnplacedIssuer>(
  slotsOf: (issuer: I) => readonly SigningSlot[],
): (issuer: I) => SigningIssuer {
  const made = new WeakMap<I, SigningIssuer>();
  return (issuer) => {
    const known = made.get(issuer);
    if (known !== undefined) return known;
    const { name, chainDer, tenants, order, status } = issuer;
    const one = {
      ...{ name, chainDer },
      ...(tenants === undefined ? {} : { tenants }),
      ...(order === undefined ? {} : { order }),
      ...(status === undefined ? {} : { status }),
      slots: slotsOf(issuer),
    };
    made.set(issuer, one);
    return one;
  };
}

/** In this process, so far. */
let openings = 0;

/** What opens the issuer's key in one of its slots. */
export function openingOf(issuer: SigningIssuer, slot: SigningSlot): IssuerOpening {
  const { name: issuerName, chainDer, tenants, order, status, rsaHash = 'sha256' } = issuer;
  const { name, signerModule, settings, slotModule } = slot;
  return {
    id: String((openings += 1)),
    issuerName,
    ...(tenants === undefined ? {} : { tenants: [...tenants] }),
    ...(order === undefined ? {} : { order: { ...order } }),
    // Copies: a clone of a view takes the whole buffer behind it along.
    issuerCertificateDer: new Uint8Array(chainDer[0] ?? []),
    aboveDer: chainDer.slice(1).map((der) => new Uint8Array(der)),
    ...(status === undefined ? {} : { status }),
    rsaHash,
    slot: { name, signerModule, settings, ...(slotModule === undefined ? {} : { slotModule }) },
  };
}

/** Faults: CONFIG_INVALID. */
export function assertWired({ name, chainDer, slots }: SigningIssuer): void {
  const names = new Set(slots.map((slot) => slot.name));
  const reason =
    chainDer.length === 0
      ? 'has no certificate'
      : slots.length === 0
        ? 'has no slot'
        : names.size < slots.length
          ? 'has two slots of one name'
          : undefined;
  if (reason !== undefined) throw new CertmillError('CONFIG_INVALID', `issuer ${name} ${reason}`);
}
