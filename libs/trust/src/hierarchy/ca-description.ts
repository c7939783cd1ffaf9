import { assertName, CertmillError, isName, type OrderId, type TenantId } from '@certmill/domain';
import { publicFileMode, writeFileAtomically } from '../atomic-file.js';

/** A root signs itself, an intermediate signs CAs, an issuing CA signs devices. */
export type CaRole = 'root' | 'intermediate' | 'issuing';

/** The one order that an issuer serves: revoking the issuer ends exactly it. */
export interface BoundOrder {
  readonly tenant: TenantId;
  readonly orderId: OrderId;
}

/** What a CA is for; written when it is made, and never changed. Absent: an issuing CA for all orders. */
export interface CaDescription {
  readonly role: Exclude<CaRole, 'root'>;
  /** The CA of the same folder that signed it first: where to look for the one above, which the chain names. */
  readonly parent?: string;
  /** The CA of the same folder whose new key it is: both have one subject. */
  readonly rekeys?: string;
  readonly order?: BoundOrder;
}

/** An issuer that opens no further order, and signs the status of what it issued. */
export interface Retirement {
  /** What takes its place; absent: nothing. */
  readonly successor?: string;
  readonly retiredAtMs: number;
  /** Its key is not trusted any more: its open orders take no uploads either. */
  readonly isClosed?: true;
}

export const descriptionFileName = 'ca.json';
export const retirementFileName = 'retired.json';
const formatVersion = 1;

export async function writeDescription(file: string, description: CaDescription): Promise<void> {
  await writeJson(file, description);
}

export async function writeRetirement(file: string, retirement: Retirement): Promise<void> {
  await writeJson(file, retirement);
}

async function writeJson(file: string, content: object): Promise<void> {
  const text = `${JSON.stringify({ formatVersion, ...content }, undefined, 2)}\n`;
  await writeFileAtomically(file, text, publicFileMode);
}

/** Throws INVALID_INPUT where the text is not what `writeDescription` makes. */
export function readDescription(text: string): CaDescription {
  const { role, parent, rekeys, order } = fieldsOf(text);
  if (role !== 'intermediate' && role !== 'issuing') throw damaged();
  if (!isNameOrNone(parent) || !isNameOrNone(rekeys)) throw damaged();
  return {
    role,
    ...(parent === undefined ? {} : { parent }),
    ...(rekeys === undefined ? {} : { rekeys }),
    ...(order === undefined ? {} : { order: boundOrder(order) }),
  };
}

function isNameOrNone(field: unknown): field is string | undefined {
  return field === undefined || (typeof field === 'string' && isName(field));
}

/** Throws INVALID_INPUT where the text is not what `writeRetirement` makes. */
export function readRetirement(text: string): Retirement {
  const { successor, retiredAtMs, isClosed } = fieldsOf(text);
  if (successor !== undefined && typeof successor !== 'string') throw damaged();
  if (typeof retiredAtMs !== 'number') throw damaged();
  if (isClosed !== undefined && isClosed !== true) throw damaged();
  return {
    ...(successor === undefined ? {} : { successor }),
    retiredAtMs,
    ...(isClosed === undefined ? {} : { isClosed }),
  };
}

/** Reads `TENANT/ORDER`; INVALID_INPUT. */
export function parseBoundOrder(text: string): BoundOrder {
  const [tenant = '', orderId = '', ...more] = text.split('/');
  if (more.length > 0 || orderId === '') {
    throw new CertmillError('INVALID_INPUT', 'an order is named as TENANT/ORDER');
  }
  return boundOrder({ tenant, orderId });
}

function boundOrder(form: unknown): BoundOrder {
  const { tenant, orderId } = form as Record<string, unknown>;
  if (typeof tenant !== 'string' || typeof orderId !== 'string') throw damaged();
  assertName('tenant', tenant);
  assertName('order id', orderId);
  return { tenant, orderId };
}

function fieldsOf(text: string): Record<string, unknown> {
  let form: unknown;
  try {
    form = JSON.parse(text);
  } catch {
    throw damaged();
  }
  if (typeof form !== 'object' || form === null || !('formatVersion' in form)) throw damaged();
  if (form.formatVersion !== formatVersion) throw damaged();
  return { ...form };
}

function damaged(): CertmillError {
  return new CertmillError('INVALID_INPUT', 'the file is damaged or of another format');
}
