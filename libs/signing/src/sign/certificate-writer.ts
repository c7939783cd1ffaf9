import {
  CERTIFICATE_HEAD_ROOM,
  createCertificationRequestWalk,
  finishCertificate,
  lengthOctets,
  type NameConstraints,
  signatureRoom,
  walkCertificationRequest,
} from '@certmill/der';
import {
  CertmillError,
  crlShardOf,
  profileOfCanonical,
  serialNumberBytes,
  serialNumbersOf,
  type SerialKey,
} from '@certmill/domain';
import type { ReceivedChunk, Verdict } from '@certmill/events';
import {
  compileProfile,
  type CompiledProfile,
  hasVariableNames,
  type HeldMatterIds,
} from '@certmill/pipeline/compute';
import {
  assertAttests,
  assertIssuable,
  assertNamesWithin,
  assertOfIssuersVendor,
  assertProfileIsForDevices,
} from './issuance-rules.js';
import type { IssuedCertificates } from './sign-messages.js';
import type { SlotSession } from './slot-session.js';

/** Where one certificate is made: the largest CSR that is accepted has 64 KiB. */
const workBytes = 128 * 1024;
/** First size of a chunk's certificates; a few RSA chunks make it grow, once. */
const initialOutputBytes = 256 * 1024;

const requestWalk = createCertificationRequestWalk();
const work = Buffer.allocUnsafeSlow(workBytes);
let output = Buffer.allocUnsafeSlow(initialOutputBytes);
let unsigned = Buffer.allocUnsafeSlow(initialOutputBytes);

interface WrittenTbs {
  /** 0 where the verdict rejected the request. */
  readonly tbsLengths: Uint32Array;
  /** Of the first one that is issued. */
  readonly serialNumber: Uint8Array;
  readonly subjectPKInfoDer: Uint8Array;
}

/** Issues the certificates of one profile with one slot's key. */
export class CertificateWriter {
  readonly session: SlotSession;
  private readonly compiled: CompiledProfile;
  private readonly crlShards: number;
  /** Each certificate's names are held against these; none where no name varies. */
  private readonly heldConstraints: readonly NameConstraints[];
  /** Each certificate's vendor and product are held against these, where it is one of Matter. */
  private readonly heldIds: HeldMatterIds | undefined;
  private readonly signatureRoom: number;
  private readonly maxTbsBytes: number;

  /** Faults: FAULT_LINT_FAILED where the profile does not fit the issuer or is one for CAs. */
  constructor(session: SlotSession, canonicalProfile: string, profileHash: string) {
    const { issuerName, status, issuer, scheme } = session;
    const profile = profileOfCanonical(canonicalProfile, profileHash);
    assertProfileIsForDevices(profile);
    this.session = session;
    this.heldIds = assertAttests(profile, issuerName, issuer);
    this.compiled = compiled(() =>
      compileProfile(profile, {
        name: issuerName,
        ...(status === undefined ? {} : { status }),
        subjectDer: issuer.subjectDer,
        keyIdentifier: issuer.keyIdentifier,
        signatureAlgorithm: scheme.algorithm,
        notBeforeMs: issuer.notBeforeSeconds * 1_000,
        notAfterMs: issuer.notAfterSeconds * 1_000,
        ...issuer.limits,
      }),
    );
    this.crlShards = status?.crlShards ?? 0;
    // Fixed names were held when the profile was compiled.
    this.heldConstraints = hasVariableNames(profile) ? (issuer.limits.nameConstraints ?? []) : [];
    this.signatureRoom = signatureRoom(
      this.compiled.signatureAlgorithmDer,
      scheme.maxSignatureBytes,
    );
    // Signatures vary in length, so the limit is held against the longest: a replay must not differ.
    const maxContentBytes = maxContentOf(profile.maxCertificateBytes ?? workBytes);
    this.maxTbsBytes = maxContentBytes - this.signatureRoom;
  }

  /**
   * Issues what the verdict accepted. The TBSCertificates are a pure function of the arguments, the
   * profile and the issuer. Faults: FAULT_EVENT_UNDECODABLE, FAULT_LINT_FAILED; throws SlotFailure.
   */
  issue(
    received: ReceivedChunk,
    verdict: Verdict,
    serialKey: SerialKey,
    verifyAll: boolean,
  ): IssuedCertificates {
    const { requestLengths, batchId, firstIndex, receivedAtMs } = received;
    const count = requestLengths.length;
    this.assertAligned(count, verdict);
    const serials = serialNumbersOf(serialKey, batchId, firstIndex, count, receivedAtMs);
    const written = this.writeAllTbs(received, verdict, serials);
    const certificateLengths = new Uint32Array(count);
    const checksEach = verifyAll || this.session.verifiesAll;
    let room = 0;
    let used = 0;
    for (let i = 0; i < count; i++) {
      const tbsBytes = written.tbsLengths[i] ?? 0;
      if (tbsBytes === 0) continue;
      const tbsStart = room + CERTIFICATE_HEAD_ROOM;
      const tbsEnd = tbsStart + tbsBytes;
      room = tbsEnd + this.signatureRoom;
      const tbs = unsigned.subarray(tbsStart, tbsEnd);
      const signature = this.session.sign(tbs, { batchId, index: firstIndex + i });
      if (checksEach || used === 0) this.session.verify(tbs, signature);
      const { start, end } = finishCertificate(
        unsigned,
        tbsStart,
        tbsEnd,
        this.compiled.signatureAlgorithmDer,
        signature,
      );
      if (used === 0) {
        const { serialNumber, subjectPKInfoDer } = written;
        assertIssuable(unsigned, start, end, this.session.issuer, serialNumber, subjectPKInfoDer);
      }
      output = withRoom(output, used, end - start);
      unsigned.copy(output, used, start, end);
      certificateLengths[i] = end - start;
      used += end - start;
    }
    const certificatesDer = new Uint8Array(used);
    certificatesDer.set(output.subarray(0, used));
    return { certificatesDer, certificateLengths };
  }

  /**
   * Into `unsigned`, each with its room around it. All of them before the first signature: a PKCS#11
   * module that signs in between finds the CPU's caches cold, 1 to 2.5 us a signature (pkcs11.bench.ts).
   */
  private writeAllTbs(
    { batchId, firstIndex, requestsDer, requestLengths, receivedAtMs }: ReceivedChunk,
    verdict: Verdict,
    serials: Uint8Array,
  ): WrittenTbs {
    const tbsLengths = new Uint32Array(requestLengths.length);
    const input = {
      serialNumber: serials,
      receivedAtMs,
      spki: requestsDer,
      values: verdict.values,
      crlShard: 0,
      firstValue: 0,
    };
    const tbsEnd = work.length - this.signatureRoom;
    let first: Omit<WrittenTbs, 'tbsLengths'> | undefined;
    let requestAt = 0;
    let room = 0;
    for (let i = 0; i < requestLengths.length; i++) {
      const requestStart = requestAt;
      requestAt += requestLengths[i] ?? 0;
      if (verdict.codes[i] !== 0) continue;
      if (!walkCertificationRequest(requestsDer, requestStart, requestAt, requestWalk)) {
        throw new CertmillError('FAULT_EVENT_UNDECODABLE', 'an accepted request is not a PKCS#10');
      }
      const serialAt = i * serialNumberBytes;
      input.serialNumber = serials.subarray(serialAt, serialAt + serialNumberBytes);
      input.spki = requestsDer.subarray(
        requestWalk.subjectPKInfoStart,
        requestWalk.subjectPKInfoEnd,
      );
      input.crlShard = crlShardOf(batchId, firstIndex + i, this.crlShards);
      input.firstValue = i * verdict.valuesPerRequest;
      first ??= { serialNumber: input.serialNumber, subjectPKInfoDer: input.spki };
      const tbsStart = this.compiled.writeTbs(input, work, tbsEnd, CERTIFICATE_HEAD_ROOM);
      if (this.heldConstraints.length > 0) {
        assertNamesWithin(this.heldConstraints, work, tbsStart, tbsEnd);
      }
      if (this.heldIds !== undefined) {
        assertOfIssuersVendor(this.heldIds, work, tbsStart, tbsEnd);
      }
      const tbsBytes = tbsEnd - tbsStart;
      if (tbsBytes > this.maxTbsBytes) throw this.tooLarge(tbsBytes);
      const bytes = CERTIFICATE_HEAD_ROOM + tbsBytes + this.signatureRoom;
      unsigned = withRoom(unsigned, room, bytes);
      work.copy(unsigned, room + CERTIFICATE_HEAD_ROOM, tbsStart, tbsEnd);
      tbsLengths[i] = tbsBytes;
      room += bytes;
    }
    return { tbsLengths, ...(first ?? { serialNumber: serials, subjectPKInfoDer: requestsDer }) };
  }

  private assertAligned(count: number, verdict: Verdict): void {
    const { valuesPerRequest, values, codes } = verdict;
    const isAligned =
      codes.length === count &&
      (codes.every((code) => code !== 0) ||
        (valuesPerRequest === this.compiled.slots.length &&
          values.length === count * valuesPerRequest));
    if (!isAligned) {
      throw new CertmillError(
        'FAULT_EVENT_UNDECODABLE',
        'the verdict does not fit its chunk and profile',
      );
    }
  }

  private tooLarge(tbsBytes: number): CertmillError {
    const { name, maxCertificateBytes } = this.compiled.profile;
    return new CertmillError(
      'FAULT_LINT_FAILED',
      `profile ${name} allows ${String(maxCertificateBytes)} octets, ` +
        `a certificate would have ${String(tbsBytes + this.signatureRoom)} and its header`,
    );
  }
}

/** At run time a profile that does not compile is a dead letter, not a refused command. */
function compiled(compile: () => CompiledProfile): CompiledProfile {
  try {
    return compile();
  } catch (cause) {
    if (!(cause instanceof CertmillError)) throw cause;
    throw new CertmillError('FAULT_LINT_FAILED', cause.message, { cause });
  }
}

/** Octets left for the content of a SEQUENCE of at most `maxBytes` octets. */
function maxContentOf(maxBytes: number): number {
  const content = maxBytes - 1 - lengthOctets(maxBytes);
  return lengthOctets(content + 1) < lengthOctets(maxBytes) ? content + 1 : content;
}

function withRoom(buffer: Buffer<ArrayBuffer>, used: number, needed: number): Buffer<ArrayBuffer> {
  if (used + needed <= buffer.length) return buffer;
  const larger = Buffer.allocUnsafeSlow(Math.max(buffer.length * 2, used + needed));
  buffer.copy(larger, 0, 0, used);
  return larger;
}
