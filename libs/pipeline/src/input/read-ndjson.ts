import { isUtf8 } from 'node:buffer';
import { deviceIdDefect } from './check-device-id.js';
import { decodeBase64 } from './decode-base64.js';
import type { InputItem, InputLimits } from './input-item.js';
import { judgeRequest, rejectedItem, tooLarge } from './judge-request.js';
import { LineSplitter } from './line-splitter.js';
import type { SourceOfLine } from './pem-splitter.js';
import { readCsrText } from './read-csr-text.js';
import { splitStream } from './split-stream.js';

const idHead = Buffer.from('{"deviceId":"');
const csrHead = Buffer.from('"csr":"');
const pemHead = Buffer.from('-----BEGIN CERTIFICATE REQUEST-----\\n');
const pemTail = Buffer.from('-----END CERTIFICATE REQUEST-----');
const quote = 0x22;
const backslash = 0x5c;
const space = 0x20;
const hyphen = 0x2d;

/**
 * NDJSON: `{"deviceId": string?, "csr": string}` in each line. csr is PEM, or base64 or base64url
 * of the DER. Other members are ignored, so a factory can send its own records as they are. Empty
 * lines are skipped. A bad line is a rejection and the stream goes on.
 */
export function readNdjson(
  stream: AsyncIterable<Uint8Array>,
  limits: InputLimits,
  sourceOf: SourceOfLine,
): AsyncGenerator<readonly InputItem[]> {
  return splitStream(
    stream,
    (add) =>
      new LineSplitter(limits.maxLineBytes, {
        line(bytes, start, end, lineNumber) {
          const from = lineNumber === 1 ? afterByteOrderMark(bytes, start, end) : start;
          const item = readLine(bytes, from, end, sourceOf(lineNumber), limits);
          if (item !== undefined) add(item);
        },
        tooLong(lineNumber) {
          add(tooLarge(sourceOf(lineNumber), '', 'the line', limits.maxLineBytes));
        },
      }),
  );
}

function afterByteOrderMark(bytes: Buffer, start: number, end: number): number {
  const hasMark = end - start >= 3 && bytes.readUIntBE(start, 3) === 0xef_bb_bf;
  return hasMark ? start + 3 : start;
}

function readLine(
  bytes: Buffer,
  start: number,
  end: number,
  source: string,
  limits: InputLimits,
): InputItem | undefined {
  return (
    readPlainLine(bytes, start, end, source, limits) ??
    readAnyLine(bytes, start, end, source, limits)
  );
}

/**
 * The common shape, without JSON.parse: deviceId first, in ASCII without escapes, then csr, nothing
 * else. Undefined wherever it is not sure; the slow way then gives the same item or the reason.
 */
function readPlainLine(
  bytes: Buffer,
  start: number,
  end: number,
  source: string,
  limits: InputLimits,
): InputItem | undefined {
  const idStart = matchHead(bytes, start, end, idHead);
  if (idStart === -1) return undefined;
  let at = idStart;
  for (; at < end && bytes[at] !== quote; at++) {
    const octet = bytes[at] as number;
    if (octet < space || octet >= 0x7f || octet === backslash) return undefined;
  }
  const deviceId = bytes.toString('latin1', idStart, at);
  if (bytes[at + 1] !== 0x2c) return undefined;
  at = bytes[at + 2] === space ? at + 3 : at + 2;
  const csrStart = matchHead(bytes, at, end, csrHead);
  const csrEnd = end - 2;
  if (csrStart === -1 || csrEnd <= csrStart) return undefined;
  if (bytes[csrEnd] !== quote || bytes[csrEnd + 1] !== 0x7d) return undefined;

  const isPem = bytes[csrStart] === hyphen;
  const bodyStart = isPem ? match(bytes, csrStart, csrEnd, pemHead) : csrStart;
  const bodyEnd = isPem ? endOfPemBody(bytes, csrEnd) : csrEnd;
  if (bodyStart === -1 || bodyEnd < bodyStart) return undefined;
  // A hyphen is base64url as well: a second boundary in the PEM must not pass as its body.
  if (isPem && bytes.subarray(bodyStart, bodyEnd).includes(hyphen)) return undefined;
  const out = Buffer.allocUnsafe(Math.ceil(((bodyEnd - bodyStart) * 3) / 4));
  const length = decodeBase64(bytes, bodyStart, bodyEnd, out, 0, true);
  if (length === -1) return undefined;
  return judgeRequest(out.subarray(0, length), deviceId, source, limits);
}

/** The position after `head`, where one space may follow its colon, or -1. */
function matchHead(bytes: Buffer, at: number, end: number, head: Buffer): number {
  const colon = head.length - 2;
  if (end - at <= head.length) return -1;
  for (let i = 0; i <= colon; i++) if (bytes[at + i] !== head[i]) return -1;
  let next = at + colon + 1;
  if (bytes[next] === space) next++;
  return bytes[next] === quote ? next + 1 : -1;
}

/** The position after `expected`, or -1. */
function match(bytes: Buffer, at: number, end: number, expected: Buffer): number {
  if (end - at < expected.length) return -1;
  for (let i = 0; i < expected.length; i++) if (bytes[at + i] !== expected[i]) return -1;
  return at + expected.length;
}

/**
 * Where the END line begins that closes a JSON string, followed by at most one escaped LF; or -1.
 */
function endOfPemBody(bytes: Buffer, csrEnd: number): number {
  const hasNewline = bytes[csrEnd - 2] === backslash && bytes[csrEnd - 1] === 0x6e;
  const tailEnd = hasNewline ? csrEnd - 2 : csrEnd;
  const tailStart = tailEnd - pemTail.length;
  return tailStart >= 0 && match(bytes, tailStart, tailEnd, pemTail) !== -1 ? tailStart : -1;
}

/** Any JSON. Details never quote the line: it may hold a key. */
function readAnyLine(
  bytes: Buffer,
  start: number,
  end: number,
  source: string,
  limits: InputLimits,
): InputItem | undefined {
  const line = bytes.subarray(start, end);
  if (!isUtf8(line)) return rejectedItem(source, '', 'INPUT_NOT_A_CSR', 'the line is not UTF-8');
  const text = line.toString();
  if (text.trim() === '') return undefined;
  const value = parseJson(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return text.includes('PRIVATE KEY-----')
      ? rejectedItem(source, '', 'PRIVATE_KEY_SUBMITTED', 'the line holds a PEM private key')
      : rejectedItem(source, '', 'INPUT_NOT_A_CSR', 'the line is not a JSON object');
  }
  const { deviceId, csr } = value as { readonly deviceId?: unknown; readonly csr?: unknown };
  const id = deviceId ?? '';
  const isText = typeof id === 'string';
  const safeId = isText && deviceIdDefect(id, limits.maxDeviceIdBytes) === undefined ? id : '';
  if (typeof csr !== 'string') {
    return rejectedItem(source, safeId, 'INPUT_NOT_A_CSR', 'the line has no text in "csr"');
  }
  const item = readCsrText(csr, isText ? id : '', source, limits);
  if (isText || item.rejection !== undefined) return item;
  return rejectedItem(source, '', 'SUBJECT_MISMATCH', '"deviceId" is not a text');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
