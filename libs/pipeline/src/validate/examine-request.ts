import { hash } from 'node:crypto';
import {
  createCertificationRequestWalk,
  derErrorText,
  walkCertificationRequest,
} from '@certmill/der';
import { Defects } from './defects.js';
import { quoted } from './detail-text.js';
import type { ExaminationPlan } from './examination-plan.js';
import { checkKeyAlgorithm, checkSignatureAlgorithm, checkWeakKey } from './key-policy.js';
import { takeExtensions } from './requested-extensions.js';
import { takeSubject, type CsrValues } from './requested-subject.js';
import { verifyPossession } from './verify-possession.js';
import type { Blocklist } from './weak-keys/blocklist.js';

export const udidBytes = 32;

export interface RequestExamination {
  /** Rejection number, 0 where the request passed. */
  code: number;
  detail: string;
  /** From the upload, else from the request where the profile says so; '' where from neither. */
  deviceId: string;
  readonly csrValues: CsrValues;
}

// Used by one examination at a time, which is synchronous and runs to its end.
const walk = createCertificationRequestWalk();
const defects = new Defects();

/**
 * Examines one request, `bytes[start, end)`, with everything that needs only the request and the
 * profile. All cheap checks run, so that a rejection tells all that is wrong; its code is the first
 * defect's in the catalogue's order. Proof of possession is verified last and only when nothing else
 * is wrong, because it costs ten times the rest together: CSR_POP_INVALID therefore stands alone.
 * Never throws, whatever the bytes are.
 *
 * @param deviceId of the upload; '' where it gave none.
 * @param udids gets SHA-256 of the SubjectPublicKeyInfo at `udidOffset`; left alone where the DER
 *   cannot be read.
 */
export function examineRequest(
  bytes: Uint8Array,
  start: number,
  end: number,
  deviceId: string,
  plan: ExaminationPlan,
  blocklist: Blocklist | undefined,
  maxRequestBytes: number,
  udids: Buffer,
  udidOffset: number,
): RequestExamination {
  const csrValues: CsrValues = new Array<string | undefined>(plan.columnCount).fill(undefined);
  const result: RequestExamination = { code: 0, detail: '', deviceId, csrValues };
  defects.clear();
  if (walkRequest(bytes, start, end, maxRequestBytes)) {
    const spki = bytes.subarray(walk.subjectPKInfoStart, walk.subjectPKInfoEnd);
    // As a string: cheaper than a Buffer of its own, which is garbage outside of the heap.
    udids.write(hash('sha256', spki, 'binary'), udidOffset, 'latin1');
    checkSignatureAlgorithm(walk, plan.profile, defects);
    if (checkKeyAlgorithm(walk, plan.profile.keys, defects)) checkWeakKey(bytes, walk, defects);
    if (blocklist?.has(udids, udidOffset) === true) {
      defects.add('KEY_COMPROMISED', 'the key is on the blocklist of compromised keys');
    }
    takeSubject(bytes, walk, plan, csrValues, defects);
    takeExtensions(bytes, walk, plan, csrValues, defects);
    result.deviceId = agreedDeviceId(deviceId, plan, csrValues, udids, udidOffset);
    if (defects.number === 0) checkPossession(bytes);
  }
  result.code = defects.number;
  result.detail = defects.text();
  return result;
}

function walkRequest(bytes: Uint8Array, start: number, end: number, maxBytes: number): boolean {
  if (walkCertificationRequest(bytes, start, end, walk, maxBytes)) return true;
  if (walk.error === 'too-large') {
    defects.add(
      'CSR_TOO_LARGE',
      `the request has ${(end - start).toString()} bytes: at most ${maxBytes.toString()} are allowed`,
    );
  } else {
    const reason = walk.error === undefined ? 'it cannot be read' : derErrorText[walk.error];
    const offset = (walk.errorOffset - start).toString();
    defects.add('CSR_DER_MALFORMED', `at offset ${offset} of the request, ${reason}`);
  }
  return false;
}

/** The upload and all sources that are present must name the same device. */
function agreedDeviceId(
  uploaded: string,
  plan: ExaminationPlan,
  csrValues: CsrValues,
  udids: Buffer,
  udidOffset: number,
): string {
  let agreed = uploaded;
  let agreedSource = 'the device id of the upload';
  for (const source of plan.deviceIdSources) {
    const value =
      source === 'udid'
        ? Buffer.from(udids.subarray(udidOffset, udidOffset + udidBytes)).toString('hex')
        : csrValues[plan.sources.indexOf(source)];
    if (value === undefined) continue;
    if (agreed === '') {
      agreed = value;
      agreedSource = source;
    } else if (agreed !== value) {
      defects.add(
        'SUBJECT_MISMATCH',
        `${agreedSource} is ${quoted(agreed)}, but ${source} is ${quoted(value)}: ` +
          'both name the device and must agree',
      );
    }
  }
  return agreed;
}

function checkPossession(bytes: Uint8Array): void {
  const possession = verifyPossession(bytes, walk);
  if (possession === 'proven') return;
  if (possession === 'not-proven') {
    defects.add(
      'CSR_POP_INVALID',
      `the ${walk.signatureAlgorithm} signature of the request does not verify ` +
        `with the ${walk.keyAlgorithm} key inside it`,
    );
    return;
  }
  defects.add(
    'KEY_COMPROMISED',
    `the ${walk.keyAlgorithm} key is not a valid public key: its point is not on the curve`,
  );
}
