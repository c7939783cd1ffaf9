import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deadLetterTopicOf, groups, topics } from './index.js';

const lib = join(import.meta.dirname, '..');
const proto = 'certmill/v1/chunks.proto';
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'certmill-events-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

it('names every topic and group as it will for ever', () => {
  expect(topics).toEqual({
    requestsReceived: {
      bulk: 'certmill.requests.received.v1.bulk',
      interactive: 'certmill.requests.received.v1.interactive',
    },
    requestsValidated: {
      bulk: 'certmill.requests.validated.v1.bulk',
      interactive: 'certmill.requests.validated.v1.interactive',
    },
    certificatesIssued: {
      bulk: 'certmill.certificates.issued.v1.bulk',
      interactive: 'certmill.certificates.issued.v1.interactive',
    },
    certificatesPublished: 'certmill.certificates.published.v1',
    certificatesRevoked: 'certmill.certificates.revoked.v1',
  });
  expect(Object.values(groups)).toEqual([
    'certmill-validate',
    'certmill-sign',
    'certmill-publish',
    'certmill-notify',
  ]);
  expect(deadLetterTopicOf(topics.certificatesPublished, groups.notify)).toBe(
    'certmill.certificates.published.v1.certmill-notify.dlq',
  );
});

it('commits the generated code as it is generated', () => {
  execFileSync(process.execPath, [join(lib, 'tools/generate.mjs'), '--out', folder]);
  const path = 'src/generated/certmill/v1/chunks_pb.ts';
  expect(readFileSync(join(folder, path), 'utf8')).toBe(readFileSync(join(lib, path), 'utf8'));
});

describe('the check for breaking changes', () => {
  const check = (change: (text: string) => string): number | null => {
    mkdirSync(join(folder, 'certmill/v1'), { recursive: true });
    const text = readFileSync(join(lib, 'proto', proto), 'utf8');
    writeFileSync(join(folder, proto), change(text));
    const script = join(lib, 'tools/check-breaking.mjs');
    return spawnSync(process.execPath, [script, '--proto', folder], { stdio: 'ignore' }).status;
  };

  it('passes the proto as it is, and one with a field more', () => {
    expect(check((text) => text)).toBe(0);
    expect(check((text) => text.replace('string tenant = 1;', '$& string site = 99;'))).toBe(0);
  });

  it.each([
    ['renumbered', 'bytes requests_der = 13;', 'bytes requests_der = 93;'],
    ['of another type', 'uint32 chunk_number = 4;', 'string chunk_number = 4;'],
    ['removed', 'string issuer = 10;', ''],
  ])('fails for a field that is %s', (_, from, to) => {
    expect(check((text) => text.replace(from, to))).not.toBe(0);
  });
});
