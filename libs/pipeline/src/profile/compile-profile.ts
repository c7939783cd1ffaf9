import {
  CertmillError,
  crlCountOf,
  crlUriOf,
  profileSlots,
  type Profile,
  type ProfileSlot,
  type StatusAddresses,
} from '@certmill/domain';
import {
  CertmillDerError,
  type DerTemplate,
  type IssuerSignatureAlgorithm,
  NO_EXPIRATION_SECONDS,
  oids,
  signatureAlgorithmDer,
  type SlotValues,
  tbsCertificateTemplate,
  tbsSlots,
} from '@certmill/der';
import { assertWithinIssuer, type IssuerLimits } from './issuer-limits.js';
import {
  crlUriSlot,
  extensionNodes,
  hasAlwaysSubjectAltName,
  subjectNode,
} from './profile-nodes.js';

/** What a certificate takes from its issuer. */
export interface ProfileIssuer extends IssuerLimits {
  /** Stands in its status addresses. */
  readonly name: string;
  /** Where the status of its certificates is told (ADR 0020); absent: nowhere. */
  readonly status?: StatusAddresses;
  /** The issuer certificate's subject Name, byte for byte (RFC 5280 4.1.2.4, 7.1). */
  readonly subjectDer: Uint8Array;
  /** The issuer certificate's subjectKeyIdentifier (RFC 5280 4.2.1.1). */
  readonly keyIdentifier: Uint8Array;
  readonly signatureAlgorithm: IssuerSignatureAlgorithm;
  /** Validity of the issuer certificate, whole seconds in milliseconds since the epoch. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** What one certificate is made of; reusable by its caller, and only read here. */
export interface TbsInput {
  /** 20 octets. */
  readonly serialNumber: Uint8Array;
  /** Pinned when the request was received: never the clock of the moment of signing. */
  readonly receivedAtMs: number;
  /** The SubjectPublicKeyInfo element of the request. */
  readonly spki: Uint8Array;
  /** One value per slot in the order of `slots`, from `firstValue` on; empty where absent. */
  readonly values: readonly Uint8Array[];
  /** `crlShardOf` its request; 0 where absent. */
  readonly crlShard?: number;
  /** Index of the first value in `values`: a verdict holds those of a whole chunk. Default 0. */
  readonly firstValue?: number;
}

/** A profile made ready for one issuer: everything that does not vary is DER already. */
export interface CompiledProfile {
  readonly profile: Profile;
  readonly slots: readonly ProfileSlot[];
  /** AlgorithmIdentifier of the certificate's signature, as in the TBSCertificate. */
  readonly signatureAlgorithmDer: Uint8Array;
  /**
   * Writes the TBSCertificate into the caller's `out` so that it ends before `end`, backwards, not
   * below `limit` (default 0), and returns where it starts. A pure function of profile, issuer and
   * input. Throws FAULT_LINT_FAILED where a required value is absent, the issuer's life or the fixed
   * end does not contain notBefore, or the room does not suffice.
   */
  writeTbs(input: TbsInput, out: Uint8Array, end: number, limit?: number): number;
  /** What `writeTbs` certifies for a request received then. Throws as it does. */
  validityAt(receivedAtMs: number): Validity;
}

/** Both ends included, in seconds since 1970. */
export interface Validity {
  readonly notBefore: number;
  readonly notAfter: number;
}

/**
 * Compiles a profile of a device or service for an issuer: what orders are signed with. Beside what
 * `compileAuthorityProfile` refuses, PROFILE_INVALID for whatever would let its holder speak for the
 * issuer: OCSPSigning (RFC 6960 4.2.2.2), cRLSign and keyCertSign (RFC 5280 4.2.1.3).
 */
export function compileProfile(profile: Profile, issuer: ProfileIssuer): CompiledProfile {
  refuseAuthority(profile);
  return compileAuthorityProfile(profile, issuer);
}

/**
 * Compiles any profile for an issuer, that of an OCSP responder too: for who holds the issuer's key,
 * never for an order.
 *
 * Validity (RFC 5280 4.1.2.5, both ends included): notBefore = receivedAt - backdate, not before the
 * issuer's; notAfter = notBefore + lifetime - 1 s, capped at the issuer's, or the fixed instant.
 * Throws PROFILE_INVALID for basicConstraints among the custom extensions (a device is no CA), and
 * where the profile widens what the issuer's chain allows (`assertWithinIssuer`), and
 * where the lifetime is longer than the issuer's whole life, or the fixed
 * instant lies outside it: such a profile needs another issuer, not shorter certificates.
 */
export function compileAuthorityProfile(profile: Profile, issuer: ProfileIssuer): CompiledProfile {
  refuseCustomConstraints(profile);
  assertWithinIssuer(profile, issuer);
  const validityOf = validityRule(profile, issuer);
  const slots = profileSlots(profile);
  const algorithm = signatureAlgorithmDer(issuer.signatureAlgorithm);
  const template = (withSubjectAltName: boolean): BoundTemplate =>
    bindTemplate(
      tbsCertificateTemplate({
        signatureAlgorithm: algorithm,
        issuerNameDer: issuer.subjectDer,
        subject: subjectNode(profile),
        extensions: extensionNodes(profile.extensions, issuer, withSubjectAltName),
      }),
      slots,
    );
  try {
    const full = template(true);
    // An empty subjectAltName is no DER of GeneralNames (RFC 5280 4.2.1.6): without any name the
    // extension has to go as a whole, which a hole in the template cannot do.
    const withoutSubjectAltName = hasAlwaysSubjectAltName(profile) ? full : template(false);
    const nameSlots = slots.flatMap((slot, index) =>
      slot.name.startsWith('subjectAltName.') ? [index] : [],
    );
    return new TemplateProfile(
      profile,
      slots,
      algorithm,
      validityOf,
      full,
      withoutSubjectAltName,
      nameSlots,
      crlUrisOf(issuer),
    );
  } catch (cause) {
    if (!(cause instanceof CertmillDerError)) throw cause;
    throw new CertmillError('PROFILE_INVALID', `profile ${profile.name}: ${cause.message}`, {
      cause,
    });
  }
}

/** By shard, so that a certificate costs no text. */
function crlUrisOf({ name, status }: ProfileIssuer): readonly Uint8Array[] {
  if (status === undefined) return [];
  return Array.from({ length: crlCountOf(status) }, (_, shard) =>
    Buffer.from(crlUriOf(status, name, shard), 'latin1'),
  );
}

/** What compiles can never say CA:TRUE, whoever admitted the profile (DESIGN 3.6). */
function refuseCustomConstraints(profile: Profile): void {
  if (profile.extensions.custom?.some(({ oid }) => oid === oids.id_ce_basicConstraints)) {
    throw new CertmillError(
      'PROFILE_INVALID',
      `profile ${profile.name}: basicConstraints (RFC 5280 4.2.1.9) cannot be a custom extension`,
    );
  }
}

/** Extensions that say what a key may do: fixed octets would say it unread. */
const usageExtensions: readonly string[] = [oids.id_ce_keyUsage, oids.id_ce_extKeyUsage];

/** No order gets a certificate that speaks for its issuer, whoever admitted the profile. */
function refuseAuthority(profile: Profile): void {
  const { extKeyUsage, keyUsage, custom } = profile.extensions;
  const refuse = (what: string): never => {
    throw new CertmillError(
      'PROFILE_INVALID',
      `profile ${profile.name}: ${what}; no order can have it`,
    );
  };
  if (extKeyUsage?.purposes.includes(oids.id_kp_OCSPSigning) === true) {
    refuse('OCSPSigning (RFC 6960 4.2.2.2) is for who holds the key of the issuer');
  }
  const bit = keyUsage?.bits.find((name) => name === 'cRLSign' || name === 'keyCertSign');
  if (bit !== undefined) refuse(`${bit} (RFC 5280 4.2.1.3) is for who holds the key of an issuer`);
  if (custom?.some(({ oid }) => usageExtensions.includes(oid)) === true) {
    refuse('keyUsage and extKeyUsage (RFC 5280 4.2.1.3, 4.2.1.12) cannot be custom extensions');
  }
}

interface BoundTemplate {
  readonly template: DerTemplate;
  readonly values: SlotValues;
  readonly serialNumber: number;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly spki: number;
  /** -1 where it has no such slot. */
  readonly crlUri: number;
  /** Template slot index of each profile slot, -1 where this template has no such slot. */
  readonly variables: readonly number[];
}

function bindTemplate(template: DerTemplate, slots: readonly ProfileSlot[]): BoundTemplate {
  const indexOf = (name: string): number =>
    template.hasSlot(name) ? template.slotIndex(name) : -1;
  return {
    template,
    values: template.createValues(),
    serialNumber: template.slotIndex(tbsSlots.serialNumber),
    notBefore: template.slotIndex(tbsSlots.notBefore),
    notAfter: template.slotIndex(tbsSlots.notAfter),
    spki: template.slotIndex(tbsSlots.spki),
    crlUri: indexOf(crlUriSlot),
    variables: slots.map(({ name }) => indexOf(name)),
  };
}

type ValidityRule = (receivedAtMs: number) => Validity;

/** How `compileProfile` computes the validity. Throws as it does. */
export function validityRule(
  profile: Profile,
  issuer: Pick<ProfileIssuer, 'notBeforeMs' | 'notAfterMs'>,
): ValidityRule {
  const earliest = Math.ceil(issuer.notBeforeMs / 1_000);
  const latest = Math.floor(issuer.notAfterMs / 1_000);
  const { backdateSeconds, notAfter: rule } = profile.validity;
  const fixedEnd = 'at' in rule ? Math.floor(Date.parse(rule.at) / 1_000) : undefined;
  const lifetime = 'seconds' in rule ? rule.seconds : 0;
  if (fixedEnd !== undefined && (fixedEnd > latest || fixedEnd < earliest)) {
    throw new CertmillError(
      'PROFILE_INVALID',
      `profile ${profile.name}: notAfter (RFC 5280 4.1.2.5) ${instant(fixedEnd)} lies outside the issuer's life, ` +
        `${instant(earliest)} to ${instant(latest)}` +
        (fixedEnd === NO_EXPIRATION_SECONDS ? '; it needs an issuer without expiration' : ''),
    );
  }
  if (lifetime > latest - earliest + 1) {
    throw new CertmillError(
      'PROFILE_INVALID',
      `profile ${profile.name}: the lifetime (RFC 5280 4.1.2.5) of ` +
        `${String(lifetime)} s is longer than the issuer's`,
    );
  }
  return (receivedAtMs) => {
    const notBefore = Math.max(Math.floor(receivedAtMs / 1_000) - backdateSeconds, earliest);
    const notAfter = fixedEnd ?? Math.min(notBefore + lifetime - 1, latest);
    if (notAfter < notBefore) {
      throw new CertmillError(
        'FAULT_LINT_FAILED',
        `profile ${profile.name}: a certificate from ${instant(notBefore)} on would have ended ` +
          `at ${instant(notAfter)} already`,
      );
    }
    return { notBefore, notAfter };
  };
}

function instant(epochSeconds: number): string {
  return new Date(epochSeconds * 1_000).toISOString();
}

class TemplateProfile implements CompiledProfile {
  readonly profile: Profile;
  readonly slots: readonly ProfileSlot[];
  readonly signatureAlgorithmDer: Uint8Array;
  private readonly validityOf: ValidityRule;
  private readonly full: BoundTemplate;
  private readonly withoutSubjectAltName: BoundTemplate;
  private readonly nameSlots: readonly number[];
  private readonly crlUris: readonly Uint8Array[];

  constructor(
    profile: Profile,
    slots: readonly ProfileSlot[],
    algorithmDer: Uint8Array,
    validityOf: ValidityRule,
    full: BoundTemplate,
    withoutSubjectAltName: BoundTemplate,
    nameSlots: readonly number[],
    crlUris: readonly Uint8Array[],
  ) {
    this.profile = profile;
    this.slots = slots;
    this.signatureAlgorithmDer = algorithmDer;
    this.validityOf = validityOf;
    this.full = full;
    this.withoutSubjectAltName = withoutSubjectAltName;
    this.nameSlots = nameSlots;
    this.crlUris = crlUris;
  }

  validityAt(receivedAtMs: number): Validity {
    return this.validityOf(receivedAtMs);
  }

  writeTbs(input: TbsInput, out: Uint8Array, end: number, limit = 0): number {
    const firstValue = input.firstValue ?? 0;
    const bound =
      this.full === this.withoutSubjectAltName || this.hasAnyName(input.values, firstValue)
        ? this.full
        : this.withoutSubjectAltName;
    const { values } = bound;
    const { notBefore, notAfter } = this.validityOf(input.receivedAtMs);
    values.setBytes(bound.serialNumber, input.serialNumber);
    values.setSeconds(bound.notBefore, notBefore);
    values.setSeconds(bound.notAfter, notAfter);
    values.setBytes(bound.spki, input.spki);
    if (bound.crlUri >= 0) {
      const uri = this.crlUris[input.crlShard ?? 0];
      // A shard that the issuer has not leaves the slot empty, which the template refuses.
      if (uri !== undefined) values.setBytes(bound.crlUri, uri);
    }
    for (let index = 0; index < this.slots.length; index += 1) {
      const slot = bound.variables[index] as number;
      if (slot < 0) continue;
      const value = input.values[firstValue + index];
      if (value === undefined || value.length === 0) values.clear(slot);
      else values.setBytes(slot, value);
    }
    try {
      return bound.template.write(out, end, values, limit);
    } catch (cause) {
      if (!(cause instanceof CertmillDerError)) throw cause;
      throw new CertmillError(
        'FAULT_LINT_FAILED',
        `profile ${this.profile.name}: ${cause.message}`,
        { cause },
      );
    } finally {
      values.clearAll();
    }
  }

  private hasAnyName(values: readonly Uint8Array[], firstValue: number): boolean {
    return this.nameSlots.some((index) => (values[firstValue + index]?.length ?? 0) > 0);
  }
}
