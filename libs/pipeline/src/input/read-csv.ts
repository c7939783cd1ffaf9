import { CertmillError } from '@certmill/domain';
import { deviceIdDefect } from './check-device-id.js';
import { CsvSplitter } from './csv-splitter.js';
import type { InputItem, InputLimits } from './input-item.js';
import { rejectedItem, tooLarge } from './judge-request.js';
import type { SourceOfLine } from './pem-splitter.js';
import { readCsrText } from './read-csr-text.js';
import { splitStream } from './split-stream.js';

/** Spellings of the header cells, without case, spaces, hyphens and underscores. */
const deviceIdNames = new Set(['deviceid', 'device', 'id']);
const csrNames = new Set(['csr', 'pkcs10', 'request', 'certificaterequest']);

interface Columns {
  /** -1 where there is none. */
  readonly deviceId: number;
  readonly csr: number;
}

const badRecord = {
  'not-utf8': 'the row is not UTF-8',
  'open-quote': 'the row has a quote that is not closed',
};

/**
 * CSV (RFC 4180; comma, semicolon or tab) with a header: the columns csr and deviceId (or `device`,
 * `id`; it may be absent), others are ignored. A csr cell holds PEM, quoted with its line ends, or
 * base64 of the DER. A bad row is a rejection and the stream goes on.
 * Faults: INVALID_INPUT where the header has no csr column.
 */
export function readCsv(
  stream: AsyncIterable<Uint8Array>,
  limits: InputLimits,
  sourceOf: SourceOfLine,
): AsyncGenerator<readonly InputItem[]> {
  return splitStream(stream, (add) => {
    let columns: Columns | undefined;
    return new CsvSplitter(limits.maxLineBytes, {
      record(cells, lineNumber) {
        if (columns === undefined) columns = columnsOf(cells);
        else add(readRow(cells, columns, sourceOf(lineNumber), limits));
      },
      bad(reason, lineNumber) {
        const source = sourceOf(lineNumber);
        add(
          reason === 'too-long'
            ? tooLarge(source, '', 'the row', limits.maxLineBytes)
            : rejectedItem(source, '', 'INPUT_NOT_A_CSR', badRecord[reason]),
        );
      },
    });
  });
}

function columnsOf(header: readonly string[]): Columns {
  const names = header.map((cell) => cell.toLowerCase().replace(/[\s_-]/g, ''));
  const csr = names.findIndex((name) => csrNames.has(name));
  if (csr === -1) {
    throw new CertmillError('INVALID_INPUT', 'line 1: the CSV header has no column "csr"');
  }
  return { csr, deviceId: names.findIndex((name) => deviceIdNames.has(name)) };
}

function readRow(
  record: readonly string[],
  columns: Columns,
  source: string,
  limits: InputLimits,
): InputItem {
  const deviceId = (record[columns.deviceId] ?? '').trim();
  const csr = record[columns.csr];
  if (csr !== undefined && csr !== '') return readCsrText(csr, deviceId, source, limits);
  const safeId = deviceIdDefect(deviceId, limits.maxDeviceIdBytes) === undefined ? deviceId : '';
  return rejectedItem(source, safeId, 'INPUT_NOT_A_CSR', 'the row has nothing in column "csr"');
}
