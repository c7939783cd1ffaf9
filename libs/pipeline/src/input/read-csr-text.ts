import { deviceIdDefect } from './check-device-id.js';
import { decodeBase64 } from './decode-base64.js';
import type { InputItem, InputLimits } from './input-item.js';
import { judgeRequest, rejectedItem } from './judge-request.js';
import { PemSplitter } from './pem-splitter.js';

/**
 * The item of one field of NDJSON or CSV: one PEM block, or base64 or base64url of the DER.
 * The device id is the field beside it and may be bad itself; a bad one stands in no item.
 */
export function readCsrText(
  text: string,
  deviceId: string,
  source: string,
  limits: InputLimits,
): InputItem {
  const defect = deviceIdDefect(deviceId, limits.maxDeviceIdBytes);
  const item = readText(text, defect === undefined ? deviceId : '', source, limits);
  return defect === undefined || item.rejection !== undefined
    ? item
    : rejectedItem(source, '', 'SUBJECT_MISMATCH', defect);
}

function readText(text: string, deviceId: string, source: string, limits: InputLimits): InputItem {
  // As UTF-8, characters outside ASCII stay foreign to base64; Latin-1 would fold them into it.
  const bytes = Buffer.from(text);
  if (text.includes('-----BEGIN ')) return readOnePem(bytes, deviceId, source, limits);
  const out = Buffer.allocUnsafe(Math.ceil((bytes.length * 3) / 4));
  const length = decodeBase64(bytes, 0, bytes.length, out, 0);
  return length === -1
    ? rejectedItem(source, deviceId, 'CSR_DER_MALFORMED', 'the csr is neither PEM nor base64')
    : judgeRequest(out.subarray(0, length), deviceId, source, limits);
}

function readOnePem(
  bytes: Uint8Array,
  deviceId: string,
  source: string,
  limits: InputLimits,
): InputItem {
  const items: InputItem[] = [];
  const splitter = new PemSplitter(
    limits,
    () => source,
    (item) => items.push(item),
    deviceId,
  );
  splitter.push(bytes);
  splitter.end();
  const key = items.find((item) => item.rejection?.code === 'PRIVATE_KEY_SUBMITTED');
  const [first] = items;
  if (key !== undefined || first === undefined || items.length === 1) {
    return (
      key ?? first ?? rejectedItem(source, deviceId, 'CSR_DER_MALFORMED', 'the PEM is cut short')
    );
  }
  const detail = 'the csr holds several PEM blocks; send one in each line';
  return rejectedItem(source, deviceId, 'INPUT_NOT_A_CSR', detail);
}
