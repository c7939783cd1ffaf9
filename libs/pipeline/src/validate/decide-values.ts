import {
  maxDeviceIdBytes,
  rejectionNumber,
  type Profile,
  type ValueSource,
} from '@certmill/domain';
import type { Verdict } from '@certmill/events';
import type { AllowListRow, Examination } from '@certmill/ports';
import { matterIdOfValues, type HeldMatterIds } from '../profile/held-matter-ids.js';
import { Turns } from '../turns.js';
import { maxDetailLength, quoted, safeText } from './detail-text.js';
import { examinationPlan, type ExaminationPlan } from './examination-plan.js';
import { udidBytes } from './examine-request.js';
import { slotRules, type SlotRule } from './slot-rules.js';

/** The decision on each request of a chunk before claims and quota; columns are aligned. */
export interface DecidedRequests {
  /** Rejection numbers, 0 where a certificate is to be issued as far as these checks go. */
  readonly codes: readonly number[];
  readonly details: readonly string[];
  readonly deviceIds: readonly string[];
  /** 32 octets each, back to back. */
  readonly udids: Uint8Array;
  /** Per request one value for each of profileSlots, in that order; empty where absent. */
  readonly values: readonly Uint8Array[];
}

const noValue = new Uint8Array(0);
const deviceNotAuthorized = rejectionNumber('DEVICE_NOT_AUTHORIZED');
const subjectMismatch = rejectionNumber('SUBJECT_MISMATCH');

/**
 * Decides on the requests of a chunk with the order's allow-list, and works out the values of the
 * profile's variable fields. Pure.
 *
 * - No row: DEVICE_NOT_AUTHORIZED. A row that binds the device to another key is the same, because
 *   this key is not on the list. A row that binds the key to another device id is SUBJECT_MISMATCH.
 * - The device id is that of the upload, else the profile's (deviceIdFrom), else the row's, else the
 *   UDID in hex.
 *   Where the profile ignores its case, it is in lower case; names and the allow-list take it as it came.
 * - All present sources of a field must agree and keep the field's rules: else SUBJECT_MISMATCH.
 *   `deviceId` and `udid` are always there: behind others they count only where those are absent.
 * - Vendor and product of a Matter device are those that `heldIds` names: else SUBJECT_MISMATCH.
 *
 * @param rows aligned with the requests; undefined where the order requires no allow-list.
 */
export function applyAllowList(...decided: DecideArguments): DecidedRequests {
  const steps = decideEach(...decided);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** The same, and others get their turn where it takes long: patterns and values are of who asks. */
export async function applyAllowListInTurns(...decided: DecideArguments): Promise<DecidedRequests> {
  const steps = decideEach(...decided);
  const turns = new Turns();
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (turns.isOver) await turns.next();
  }
}

type DecideArguments = readonly [
  profile: Profile,
  examination: Examination,
  rows: readonly (AllowListRow | undefined)[] | undefined,
  heldIds?: HeldMatterIds,
];

function* decideEach(
  ...[profile, examination, rows, heldIds]: DecideArguments
): Generator<undefined, DecidedRequests> {
  const rules = slotRules(profile);
  const plan = examinationPlan(profile);
  const request = new RequestDecision(plan, rules, heldIds);
  const codes: number[] = [];
  const details: string[] = [];
  const deviceIds: string[] = [];
  const values: Uint8Array[] = [];
  for (let index = 0; index < examination.codes.length; index += 1) {
    const examined = examination.codes[index] ?? 0;
    if (examined === 0) request.decide(examination, index, rows);
    const code = examined === 0 ? request.code : examined;
    codes.push(code);
    details.push(examined === 0 ? request.detail : (examination.details[index] ?? ''));
    deviceIds.push(examined === 0 ? request.deviceId : (examination.deviceIds[index] ?? ''));
    for (let slot = 0; slot < rules.length; slot += 1) {
      values.push(code === 0 ? (request.values[slot] ?? noValue) : noValue);
    }
    yield;
  }
  return { codes, details, deviceIds, udids: examination.udids, values };
}

/** The verdict to hand to the store, which adds what claims and quota say. */
export function draftVerdict(decided: DecidedRequests): Verdict {
  const count = decided.codes.length;
  return { ...decided, valuesPerRequest: count === 0 ? 0 : decided.values.length / count };
}

/** The decision on one request at a time; reused for all requests of a chunk. */
class RequestDecision {
  code = 0;
  detail = '';
  deviceId = '';
  values: Uint8Array[] = [];
  private row: AllowListRow | undefined;
  private csrValues: readonly (string | Uint8Array | undefined)[] = [];
  private udids: Uint8Array = noValue;
  private udidOffset = 0;
  private readonly plan: ExaminationPlan;
  private readonly rules: readonly SlotRule[];
  private readonly heldIds: HeldMatterIds | undefined;

  constructor(
    plan: ExaminationPlan,
    rules: readonly SlotRule[],
    heldIds: HeldMatterIds | undefined,
  ) {
    this.plan = plan;
    this.rules = rules;
    this.heldIds = heldIds;
  }

  decide(
    examination: Examination,
    index: number,
    rows: readonly (AllowListRow | undefined)[] | undefined,
  ): void {
    this.code = 0;
    this.detail = '';
    this.deviceId = examination.deviceIds[index] ?? '';
    this.values = [];
    this.row = rows?.[index];
    this.csrValues = examination.csrValues[index] ?? [];
    this.udids = examination.udids;
    this.udidOffset = index * udidBytes;
    if (rows !== undefined && !this.isAuthorized()) return;
    if (this.settleDeviceId() && this.fillSlots()) this.holdIds();
    // Names have it as it came; whose claims they are does not depend on case.
    if (this.plan.profile.deviceIdIgnoresCase === true) {
      this.deviceId = this.deviceId.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
    }
  }

  private isAuthorized(): boolean {
    const { row } = this;
    if (row === undefined) {
      const key = `the key ${this.udidHex()}`;
      return this.reject(
        deviceNotAuthorized,
        this.deviceId === ''
          ? `${key} is not on the allow-list of the order`
          : `neither device ${quoted(this.deviceId)} nor ${key} is on the allow-list of the order`,
      );
    }
    // The stores hold lower-case hex; a list that was made by hand may not.
    if (row.udid !== undefined && row.udid.toLowerCase() !== this.udidHex()) {
      return this.reject(
        deviceNotAuthorized,
        `the allow-list binds device ${quoted(this.deviceId)} to another key ` +
          `than the request's, ${this.udidHex()}`,
      );
    }
    if (row.deviceId !== undefined && this.deviceId !== '' && row.deviceId !== this.deviceId) {
      return this.reject(
        subjectMismatch,
        `the allow-list binds the key ${this.udidHex()} to another device ` +
          `than ${quoted(this.deviceId)}`,
      );
    }
    return true;
  }

  private settleDeviceId(): boolean {
    for (const source of this.plan.profile.deviceIdFrom) {
      if (!source.startsWith('row.')) continue;
      const value = this.valueOf(source);
      if (value === undefined) continue;
      if (this.deviceId === '') this.deviceId = value;
      else if (value !== this.deviceId) {
        return this.reject(
          subjectMismatch,
          `the device id is ${quoted(this.deviceId)}, but ${source} is ${quoted(value)}: ` +
            'they must agree',
        );
      }
    }
    if (this.deviceId === '') this.deviceId = this.row?.deviceId ?? this.udidHex();
    // No UTF-16 unit takes more than three octets: most ids are short enough without counting.
    if (this.deviceId.length * 3 <= maxDeviceIdBytes) return true;
    const octets = Buffer.byteLength(this.deviceId);
    if (octets <= maxDeviceIdBytes) return true;
    return this.reject(
      subjectMismatch,
      `the device id ${quoted(this.deviceId)} has ${octets.toString()} octets in UTF-8: ` +
        `at most ${maxDeviceIdBytes.toString()} are allowed`,
    );
  }

  private fillSlots(): boolean {
    for (const rule of this.rules) {
      const value = this.agreedValue(rule);
      if (this.code !== 0) return false;
      if (value === undefined) {
        if (rule.required) {
          return this.reject(
            subjectMismatch,
            `${rule.name} needs a value from ${rule.from.join(' or ')}: none is present`,
          );
        }
        this.values.push(noValue);
        continue;
      }
      const objection = rule.objection(value);
      if (objection !== undefined) {
        const detail = `the value ${quoted(value)} of ${rule.name} ${objection}`;
        return this.reject(subjectMismatch, detail);
      }
      this.values.push(Buffer.from(value, rule.isHex ? 'hex' : 'utf8'));
    }
    return true;
  }

  private holdIds(): void {
    if (this.heldIds === undefined) return;
    const other = matterIdOfValues(this.heldIds, this.plan.profile, this.values);
    if (other !== undefined) this.reject(subjectMismatch, other);
  }

  private agreedValue(rule: SlotRule): string | undefined {
    let agreed: string | undefined;
    let agreedSource = '';
    for (const source of rule.from) {
      const raw = this.valueOf(source);
      if (raw === undefined) continue;
      const value = rule.isHex ? raw.toLowerCase() : raw;
      if (agreed === undefined) {
        agreed = value;
        agreedSource = source;
      } else if (value !== agreed && !isIdentity(source)) {
        this.reject(
          subjectMismatch,
          `for ${rule.name}, ${agreedSource} is ${quoted(agreed)}, ` +
            `but ${source} is ${quoted(value)}: they must agree`,
        );
        return undefined;
      }
    }
    return agreed;
  }

  /** The value of a source; empty ones count as absent. */
  private valueOf(source: ValueSource): string | undefined {
    const value = this.presentValue(source);
    return value === '' ? undefined : value;
  }

  private presentValue(source: ValueSource): string | undefined {
    switch (source) {
      case 'deviceId':
        return this.deviceId;
      case 'udid':
        return this.udidHex();
      case 'row.deviceId':
        return this.row?.deviceId;
      case 'row.serial':
        return this.row?.serial;
      case 'row.model':
        return this.row?.model;
      case 'row.vendorId':
        return this.row?.vendorId;
      case 'row.productId':
        return this.row?.productId;
      case 'row.site':
        return this.row?.site;
      case 'csr.subject.commonName':
      case 'csr.subject.serialNumber':
      case 'csr.subject.organizationName':
      case 'csr.subject.organizationalUnitName':
      case 'csr.subject.countryName':
      case 'csr.subject.stateOrProvinceName':
      case 'csr.subject.localityName':
      case 'csr.subject.dnQualifier':
      case 'csr.subject.matterVendorId':
      case 'csr.subject.matterProductId':
      case 'csr.san.hardwareSerialNumber': {
        const value = this.csrValues[this.plan.sources.indexOf(source)];
        return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value;
      }
    }
  }

  private udidHex(): string {
    return Buffer.from(
      this.udids.buffer,
      this.udids.byteOffset + this.udidOffset,
      udidBytes,
    ).toString('hex');
  }

  private reject(code: number, detail: string): false {
    this.code = code;
    this.detail = safeText(detail, maxDetailLength);
    return false;
  }
}

/** The identity is always there: behind other sources it stands in for them, and contradicts none. */
function isIdentity(source: ValueSource): boolean {
  return source === 'deviceId' || source === 'udid';
}
