import { CertmillError, serialNumberBytes } from '@certmill/domain';
import { createCertificateWalk, walkCertificate } from '@certmill/der';
import { LineSplitter } from '../input/line-splitter.js';
import { splitStream } from '../input/split-stream.js';
import { nameText, type CertificateName } from './select-certificates.js';

/** One certificate in PEM has lines of 64; names are shorter than this. */
const maxLineBytes = 16 * 1024;
const maxPemLines = 1_024;
const hexPattern = /^[0-9a-fA-F]+$/;
const columns = ['serialNumber', 'udid', 'deviceId'] as const;

export const defaultMaxNames = 1_000_000;

/**
 * Names of certificates from a file, whole: PEM certificates; NDJSON or CSV (with a header) with
 * `serialNumber`, `udid` or `deviceId`; or text, one name per line: 40 hex digits are a serial number,
 * 64 a UDID, all else is a device id. Empty lines and those that begin with # are passed over, and a
 * name that came before.
 * Faults: INVALID_INPUT naming the line, LIMIT_EXCEEDED.
 */
export async function readCertificateNames(
  stream: AsyncIterable<Uint8Array>,
  maxNames = defaultMaxNames,
): Promise<readonly CertificateName[]> {
  const names = new Map<string, CertificateName>();
  const reader = new NameLines();
  const lines = splitStream<readonly [string, number]>(
    stream,
    (add) =>
      new LineSplitter(maxLineBytes, {
        line: (bytes, start, end, number) => {
          add([bytes.toString('utf8', start, end).trim(), number]);
        },
        tooLong: (number) => {
          throw badLine(number, 'is too long');
        },
      }),
  );
  for await (const group of lines) {
    for (const [line, number] of group) {
      const name = reader.read(number === 1 ? line.replace(/^\uFEFF/, '') : line, number);
      if (name !== undefined) names.set(`${name.by} ${nameText(name)}`, name);
      if (names.size > maxNames) {
        throw new CertmillError(
          'LIMIT_EXCEEDED',
          `there are more than ${String(maxNames)} names: revoke by batch, order or issuer`,
        );
      }
    }
  }
  reader.end();
  return [...names.values()];
}

/** What a line means depends on those before it: the header of a CSV, the beginning of a PEM block. */
class NameLines {
  #header: readonly string[] | undefined;
  #pem: { readonly begunAt: number; readonly lines: string[] } | undefined;
  #isFirst = true;

  read(line: string, number: number): CertificateName | undefined {
    if (this.#pem !== undefined) return this.#pemLine(this.#pem, line, number);
    if (line === '-----BEGIN CERTIFICATE-----') {
      this.#pem = { begunAt: number, lines: [] };
      return undefined;
    }
    if (line.startsWith('-----')) throw badLine(number, 'is not of a certificate');
    if (line === '' || line.startsWith('#')) return undefined;
    const isFirst = this.#isFirst;
    this.#isFirst = false;
    if (line.startsWith('{')) return ofJson(line, number);
    const cells = line.split(',').map((cell) => cell.trim().replace(/^"(.*)"$/, '$1'));
    if (isFirst && cells.some((cell) => isColumn(cell))) {
      this.#header = cells;
      return undefined;
    }
    return this.#header === undefined ? ofText(line, number) : ofCells(this.#header, cells, number);
  }

  end(): void {
    if (this.#pem !== undefined) throw badLine(this.#pem.begunAt, 'begins what does not end');
  }

  #pemLine(
    { begunAt, lines }: { readonly begunAt: number; readonly lines: string[] },
    line: string,
    number: number,
  ): CertificateName | undefined {
    if (line !== '-----END CERTIFICATE-----') {
      if (lines.push(line) > maxPemLines) throw badLine(begunAt, 'begins what does not end');
      return undefined;
    }
    this.#pem = undefined;
    const der = Buffer.from(lines.join(''), 'base64');
    const walk = createCertificateWalk();
    if (!walkCertificate(der, 0, der.length, walk)) {
      throw badLine(begunAt, `to ${String(number)} are no certificate`);
    }
    return {
      by: 'serialNumber',
      serialNumber: new Uint8Array(der.subarray(walk.serialNumberStart, walk.serialNumberEnd)),
    };
  }
}

function isColumn(name: string): name is (typeof columns)[number] {
  return (columns as readonly string[]).includes(name);
}

function ofText(text: string, number: number): CertificateName {
  const hex = text.replaceAll(':', '');
  if (hexPattern.test(hex) && hex.length === serialNumberBytes * 2) {
    return named('serialNumber', hex, number);
  }
  return named(hexPattern.test(text) && text.length === 64 ? 'udid' : 'deviceId', text, number);
}

function ofJson(line: string, number: number): CertificateName {
  let row: unknown;
  try {
    row = JSON.parse(line);
  } catch {
    throw badLine(number, 'is not JSON');
  }
  const given = row as Readonly<Record<string, unknown>>;
  return ofFields(number, (column) => given[column]);
}

function ofCells(
  header: readonly string[],
  cells: readonly string[],
  number: number,
): CertificateName {
  return ofFields(number, (column) => cells[header.indexOf(column)] || undefined);
}

function ofFields(
  number: number,
  valueOf: (column: (typeof columns)[number]) => unknown,
): CertificateName {
  for (const column of columns) {
    const value = valueOf(column);
    if (typeof value === 'string') return named(column, value, number);
    if (value !== undefined) throw badLine(number, `has a ${column} that is no text`);
  }
  throw badLine(number, 'has neither serialNumber nor udid nor deviceId');
}

function named(by: (typeof columns)[number], text: string, number: number): CertificateName {
  const name = certificateNameOf(by, text);
  if (name === undefined) throw badLine(number, `has a ${by} that is none`);
  return name;
}

/** A name as people write it; undefined where it cannot be one. Colons may part the octets of a number. */
export function certificateNameOf(
  by: CertificateName['by'],
  text: string,
): CertificateName | undefined {
  if (by === 'deviceId') {
    return text === '' || text.length > 512 ? undefined : { by, deviceId: text };
  }
  const hex = text.replaceAll(':', '');
  const digits = by === 'udid' ? 64 : serialNumberBytes * 2;
  if (!hexPattern.test(hex) || hex.length !== digits) return undefined;
  const octets = new Uint8Array(Buffer.from(hex, 'hex'));
  return by === 'udid' ? { by, udid: octets } : { by, serialNumber: octets };
}

function badLine(number: number, what: string): CertmillError {
  return new CertmillError('INVALID_INPUT', `line ${String(number)} ${what}`);
}
