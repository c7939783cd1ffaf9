import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeApprovals } from '@certmill/ports/conformance';
import { type Approval, approve, parseApproval } from './approval.js';
import { openApprovalFolder, readApprovalFolder } from './approval-folder.js';
import type { Operation } from './operation.js';
import { ceremonyOperation, ceremonyQuorum } from './parse-ceremony.js';
import { requireApproval, requireApprovals } from './require-approval.js';
import { aCeremony, aliceAndFriends, aPerson, type Person } from './testing/a-ceremony.js';

const nowMs = Date.parse('2026-11-22T12:00:00Z');
const hourMs = 3_600_000;
const { alice, bob, carol, wendy } = aliceAndFriends;
const ceremony = aCeremony();
const operation = ceremonyOperation(ceremony);
const quorum = ceremonyQuorum(ceremony);

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'certmill-approvals-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const signed = (
  person: Person,
  of: Operation = operation,
  time = { nowMs, expiresMs: nowMs + hourMs },
): Approval => approve(of, person.name, person.privateKey, time);
const demand = (approvals: readonly Approval[], useId = 'run-1', at = nowMs): Promise<unknown> =>
  requireApproval(operation, approvals, quorum, {
    ledger: openApprovalFolder(folder),
    nowMs: at,
    useId,
  });

describeApprovals('the folder of used approvals', () => {
  const directory = mkdtempSync(join(tmpdir(), 'certmill-approvals-'));
  return Promise.resolve({
    ledger: openApprovalFolder(directory),
    close: () => rm(directory, { recursive: true, force: true }),
  });
});

describe('requireApproval', () => {
  it('takes two of three, of Ed25519 and P-256 keys, read back from their files', async () => {
    const files = [alice, bob].map((one) => JSON.stringify(signed(one)));
    await demand(files.map((text) => parseApproval(text, 'a file')));
    expect(await readApprovalFolder(folder)).toMatchObject([
      { operationId: operation.id, useId: 'run-1', approvals: [{ approver: 'alice' }, {}] },
    ]);
  });

  it('refuses one, and says who else can approve', async () => {
    await expect(demand([signed(alice)])).rejects.toMatchObject({
      code: 'APPROVAL_REQUIRED',
      message: '1 of 2 approvals are there; these can approve: bob, carol',
    });
  });

  it('refuses the same person twice', async () => {
    await expect(demand([signed(alice), signed(alice)])).rejects.toThrow(
      'alice: approves twice: one person counts once',
    );
  });

  it('refuses what was approved with one other byte', async () => {
    const other = ceremonyOperation(aCeremony({ description: 'The root of a tesT.' }));
    await expect(demand([signed(alice), signed(bob, other)])).rejects.toThrow(
      'bob: approves the same operation with other content',
    );
  });

  it('refuses an approval of another ceremony', async () => {
    const other = ceremonyOperation(aCeremony({ id: 'ff'.repeat(16) }));
    await expect(demand([signed(alice), signed(bob, other)])).rejects.toThrow(
      `bob: approves another operation (ceremony ${'ff'.repeat(16)})`,
    );
  });

  it.each([
    ['a witness', wendy],
    ['a stranger', aPerson('mallory')],
  ])('refuses %s', async (_, person) => {
    await expect(demand([signed(alice), signed(person)])).rejects.toThrow(
      `${person.name}: is not among those who can approve this`,
    );
  });

  it('refuses the name of one with the key of another', async () => {
    const forged = signed({ ...carol, name: 'bob' });
    await expect(demand([signed(alice), forged])).rejects.toThrow('bob: the signature does not');
  });

  it.each([
    ['its time', { expiresAt: new Date(nowMs + 9 * hourMs).toISOString() }],
    ['its nonce', { nonce: '0'.repeat(32) }],
    ['its hash', { operation: { ...signed(bob).operation, sha256: '0'.repeat(64) } }],
  ])('refuses an approval in which %s was changed', async (_, change) => {
    await expect(demand([signed(alice), { ...signed(bob), ...change }])).rejects.toThrow(
      'bob: the signature does not verify',
    );
  });

  it('refuses one that has expired, and one of the future', async () => {
    const both = [signed(alice), signed(bob)];
    await expect(demand(both, 'run-1', nowMs + hourMs)).rejects.toThrow('the approval expired at');
    await expect(demand(both, 'run-1', nowMs - hourMs)).rejects.toThrow('is of the future');
  });

  it('is for one time: another run is refused, the run that was killed goes on', async () => {
    const both = [signed(alice), signed(bob)];
    await demand(both, 'run-1');
    await demand(both, 'run-1');
    await expect(demand(both, 'run-2')).rejects.toMatchObject({ code: 'CONFLICT' });
    const fresh = [signed(alice), signed(carol)];
    await expect(demand(fresh, 'run-2')).rejects.toThrow('its approvals are used up');
  });

  it('lets one of eight runs at once pass', async () => {
    const both = [signed(alice), signed(bob)];
    const runs = Array.from({ length: 8 }, (_, i) => demand(both, `run-${String(i)}`));
    const settled = await Promise.allSettled(runs);
    expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('uses nothing up where it refuses', async () => {
    await expect(demand([signed(alice)])).rejects.toThrow();
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('requireApprovals', () => {
  let second: string;
  beforeEach(() => {
    second = mkdtempSync(join(tmpdir(), 'certmill-approvals-'));
  });
  afterEach(() => {
    rmSync(second, { recursive: true, force: true });
  });

  const demandBoth = (useId: string): Promise<void> =>
    requireApprovals(
      operation,
      [alice, bob].map((person) => signed(person)),
      [folder, second].map((place) => ({ quorum, ledger: openApprovalFolder(place) })),
      { nowMs, useId },
    );

  it('uses nothing up in the first place where the second knows the operation from before', async () => {
    const both = [signed(alice), signed(bob)];
    const place = { ledger: openApprovalFolder(second), nowMs, useId: 'run-1' };
    await requireApproval(operation, both, quorum, place);
    await expect(demandBoth('run-2')).rejects.toMatchObject({ code: 'CONFLICT' });
    expect(await readApprovalFolder(folder)).toEqual([]);
    // The same use goes on, in both.
    await demandBoth('run-1');
    expect(await readApprovalFolder(folder)).toMatchObject([{ useId: 'run-1' }]);
  });

  it('uses nothing up in the first place where the second cannot be read', async () => {
    await demandBoth('run-1');
    const [file = ''] = readdirSync(join(second, 'approvals'));
    rmSync(join(folder, 'approvals'), { recursive: true });
    writeFileSync(join(second, 'approvals', file), '{');
    await expect(demandBoth('run-1')).rejects.toMatchObject({ code: 'FAULT_STORE_CORRUPT' });
    expect(await readApprovalFolder(folder)).toEqual([]);
  });
});

describe('an approval', () => {
  it.each([0, -1, 93 * 24 * hourMs])('cannot be valid for %d ms', (lifeMs) => {
    expect(() => signed(alice, operation, { nowMs, expiresMs: nowMs + lifeMs })).toThrow('92 days');
  });

  it.each([
    ['no JSON', (text: string) => text.slice(1), 'it is not JSON'],
    ['another member', (text: string) => text.replace('{', '{"more":1,'), 'more'],
    ['no signature', (text: string) => text.replace(/,"signature":"[^"]*"/, ''), 'signature'],
    ['a mebibyte', (text: string) => text + ' '.repeat(1024 * 1024), 'it is too large'],
  ])('that is a file with %s is refused', (_, damage, reason) => {
    const text = damage(JSON.stringify(signed(alice)));
    expect(() => parseApproval(text, 'a.json')).toThrow(reason);
  });
});
