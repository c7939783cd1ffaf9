import {
  CERTIFICATE_HEAD_ROOM,
  createCertificationRequestWalk,
  finishCertificate,
  lengthOctets,
  signatureRoom,
  walkCertificationRequest,
} from '@certmill/der';
import {
  CertmillError,
  profileOfCanonical,
  serialNumberBytes,
  serialNumbersOf,
  type SerialKey,
} from '@certmill/domain';
import type { ReceivedChunk, Verdict } from '@certmill/events';
import { compileProfile, type CompiledProfile } from '@certmill/pipeline/compute';
import { assertIssuable, assertProfileIsForDevices } from './issuance-rules.js';
import type { SlotSession } from './slot-session.js';

/** Where one certificate is made: the largest CSR that is accepted has 64 KiB. */
const workBytes = 128 * 1024;
/** First size of a chunk's certificates; a few RSA chunks make it grow, once. */
const initialOutputBytes = 256 * 1024;

const requestWalk = createCertificationRequestWalk();
const work = Buffer.allocUnsafeSlow(workBytes);
let output = Buffer.allocUnsafeSlow(initialOutputBytes);

export interface IssuedCertificates {
  /** Back to back; the whole of its buffer, which the caller owns. */
  readonly certificatesDer: Uint8Array<ArrayBuffer>;
  /** 0 where the verdict rejected the request. */
  readonly certificateLengths: Uint32Array<ArrayBuffer>;
}

/** Issues the certificates of one profile with one slot's key. */
export class CertificateWriter {
  private readonly session: SlotSession;
  private readonly compiled: CompiledProfile;
  private readonly signatureRoom: number;
  private readonly maxTbsBytes: number;

  /** Faults: FAULT_LINT_FAILED where the profile does not fit the issuer or is one for CAs. */
  constructor(session: SlotSession, canonicalProfile: string, profileHash: string) {
    const { issuer, scheme } = session;
    const profile = profileOfCanonical(canonicalProfile, profileHash);
    assertProfileIsForDevices(profile);
    this.session = session;
    this.compiled = compiled(() =>
      compileProfile(profile, {
        subjectDer: issuer.subjectDer,
        keyIdentifier: issuer.keyIdentifier,
        signatureAlgorithm: scheme.algorithm,
        notBeforeMs: issuer.notBeforeSeconds * 1_000,
        notAfterMs: issuer.notAfterSeconds * 1_000,
      }),
    );
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
    const { requestsDer, requestLengths, batchId, firstIndex, receivedAtMs } = received;
    const count = requestLengths.length;
    this.assertAligned(count, verdict);
    const serials = serialNumbersOf(serialKey, batchId, firstIndex, count, receivedAtMs);
    const certificateLengths = new Uint32Array(count);
    const input = {
      serialNumber: serials,
      receivedAtMs,
      spki: requestsDer,
      values: verdict.values,
      firstValue: 0,
    };
    const tbsEnd = work.length - this.signatureRoom;
    const checksEach = verifyAll || this.session.verifiesAll;
    let isChecked = false;
    let requestAt = 0;
    let used = 0;
    for (let i = 0; i < count; i++) {
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
      input.firstValue = i * verdict.valuesPerRequest;
      const tbsStart = this.compiled.writeTbs(input, work, tbsEnd, CERTIFICATE_HEAD_ROOM);
      if (tbsEnd - tbsStart > this.maxTbsBytes) throw this.tooLarge(tbsEnd - tbsStart);
      const tbs = work.subarray(tbsStart, tbsEnd);
      const signature = this.session.sign(tbs, { batchId, index: firstIndex + i });
      if (checksEach || !isChecked) this.session.verify(tbs, signature);
      const { start, end } = finishCertificate(
        work,
        tbsStart,
        tbsEnd,
        this.compiled.signatureAlgorithmDer,
        signature,
      );
      if (!isChecked) {
        assertIssuable(work, start, end, this.session.issuer, input.serialNumber, input.spki);
        isChecked = true;
      }
      reserveOutput(used, end - start);
      work.copy(output, used, start, end);
      certificateLengths[i] = end - start;
      used += end - start;
    }
    const certificatesDer = new Uint8Array(used);
    certificatesDer.set(output.subarray(0, used));
    return { certificatesDer, certificateLengths };
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

function reserveOutput(used: number, needed: number): void {
  if (used + needed <= output.length) return;
  const larger = Buffer.allocUnsafeSlow(Math.max(output.length * 2, used + needed));
  output.copy(larger, 0, 0, used);
  output = larger;
}
