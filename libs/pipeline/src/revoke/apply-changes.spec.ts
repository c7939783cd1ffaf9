import { CertmillError, type ChunkRef, type StatusOutcome } from '@certmill/domain';
import { applyChange, type ChangePorts } from './apply-changes.js';
import type { IssuedCertificate } from './read-certificates.js';
import type { Selected } from './select-certificates.js';

const change = { kind: 'revoke', reason: 'superseded', revokedAtMs: 1 } as const;

function aCertificate(chunkNumber: number, index: number): IssuedCertificate {
  return {
    tenant: 'default',
    batchId: 'b1',
    chunkNumber,
    index,
    deviceId: '',
    udid: new Uint8Array(32),
    scope: { issuer: 'dev', shard: 0 },
    serialNumber: new Uint8Array(20),
    notAfterMs: 2,
  };
}

// eslint-disable-next-line @typescript-eslint/require-await -- what is selected is a stream
async function* selected(...certificates: IssuedCertificate[]): AsyncGenerator<Selected> {
  for (const certificate of certificates) yield { certificate };
}

/** A store in which each change ends as its index says, and what was told of it. */
function aStore(outcomeOf: (index: number) => StatusOutcome) {
  const told: (readonly ChunkRef[])[] = [];
  const ports: ChangePorts = {
    revocations: {
      changeStatuses: (changes) => Promise.resolve(changes.map(({ index }) => outcomeOf(index))),
    },
    certificates: { listStatuses: () => Promise.resolve(new Map()) },
    onChanged(chunks) {
      told.push(chunks);
      return Promise.resolve();
    },
  };
  return { ports, told };
}

describe('changed statuses are told of', () => {
  const chunk = (chunkNumber: number): ChunkRef => ({
    tenant: 'default',
    batchId: 'b1',
    chunkNumber,
  });

  test('by chunk, each once, those that were so before as well, refused ones not', async () => {
    const outcomes: StatusOutcome[] = ['changed', 'changed', 'unchanged', 'refused'];
    const { ports, told } = aStore((index) => outcomes[index] ?? 'refused');
    const certificates = [
      aCertificate(0, 0),
      aCertificate(0, 1),
      aCertificate(1, 2),
      aCertificate(2, 3),
    ];
    await applyChange(ports, selected(...certificates), change);
    expect(told).toEqual([[chunk(0), chunk(1)]]);
  });

  test('not where nothing is changed but looked at', async () => {
    const { ports, told } = aStore(() => 'changed');
    await applyChange(ports, selected(aCertificate(0, 0)), change, { isDryRun: true });
    expect(told).toEqual([]);
  });

  test('and where that fails the call fails', async () => {
    const fault = new CertmillError('FAULT_BUS_DOWN', 'there is no queue');
    const { ports } = aStore(() => 'changed');
    const failing = { ...ports, onChanged: () => Promise.reject(fault) };
    await expect(applyChange(failing, selected(aCertificate(0, 0)), change)).rejects.toBe(fault);
  });
});

test('a dry run tells of a certificate that is selected again what would become of it then', async () => {
  const { ports } = aStore(() => 'changed');
  const told = new Set<string>();
  const dryRun = (...certificates: IssuedCertificate[]) =>
    applyChange(ports, selected(...certificates), change, { isDryRun: true, told });
  const counts = { refused: 0, notFound: 0 };
  const [one, other] = [aCertificate(0, 0), aCertificate(0, 1)];
  expect(await dryRun(one, other, one)).toEqual({ changed: 2, unchanged: 1, ...counts });
  expect(await dryRun(other)).toEqual({ changed: 0, unchanged: 1, ...counts });
});
