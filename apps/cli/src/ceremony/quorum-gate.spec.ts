import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, type Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { Command } from 'commander';
import { CertmillError } from '@certmill/domain';
import {
  approve,
  parseOperation,
  quorumPolicyFileOf,
  readApprovalFolder,
  readQuorumPolicy,
  serializeQuorumPolicy,
} from '@certmill/trust/approvals';
import { readText } from '../read-input.js';
import { Terminal } from '../terminal/terminal.js';
import { guardWithQuorum } from './quorum-gate.js';

const people = Object.fromEntries(
  ['alice', 'bob', 'carol', 'dora'].map((name) => [name, generateKeyPairSync('ed25519')]),
);
const keyOf = (name: string): { publicKey: KeyObject; privateKey: KeyObject } => {
  const pair = people[name];
  if (pair === undefined) throw new Error(name);
  return pair;
};

let folder: string;
let number = 0;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'certmill-gate-'));
  // A process reads a file that is approved once.
  writeFileSync(request(), 'what was read');
});
afterEach(() => {
  number += 1;
  rmSync(folder, { recursive: true, force: true });
});
const at = (name: string): string => join(folder, name);
const request = (): string => at(`${String(number)}.csr.pem`);

/** A data folder that asks for all of the people. */
const anInstallation = (name: string, ...names: string[]): string => {
  mkdirSync(at(join(name, 'ca')), { recursive: true });
  const approvers = names.map((one) => ({
    name: one,
    publicKey: keyOf(one).publicKey.export({ format: 'pem', type: 'spki' }).toString(),
  }));
  const policy = serializeQuorumPolicy({ threshold: names.length, approvers });
  writeFileSync(quorumPolicyFileOf(at(name)), policy);
  return at(name);
};

/** The guarded command, typed once. Resolves to what its action read. */
const typed = async (
  action: (file: string) => Promise<void> | void,
  ...args: readonly string[]
): Promise<string> => {
  const stream = (): PassThrough => new PassThrough();
  const surroundings = { stdin: stream(), stdout: stream(), stderr: stream(), env: {} };
  const terminal = new Terminal(surroundings, new AbortController().signal);
  let read = '';
  const command = new Command('sign')
    .argument('<request>')
    .requiredOption('--data <dir>')
    .option('--parent-data <dir>')
    .exitOverride()
    .action(async (file: string) => {
      await action(file);
      read = await readText(file);
    });
  guardWithQuorum(terminal, command, {
    ...{ kind: 'root-use', files: ['request'], folders: ['parentData'] },
  });
  try {
    await command.parseAsync([request(), ...args], { from: 'user' });
  } finally {
    terminal.end();
  }
  return read;
};
/** Another process that has an operation, and says so. */
const holderOf = (data: string, id: string): ChildProcessByStdio<null, Readable, null> => {
  const approvals = import.meta.resolve('@certmill/trust/approvals');
  const program =
    `const { holdUse } = await import(${JSON.stringify(approvals)});` +
    `globalThis.held = await holdUse(...${JSON.stringify([data, id])});` +
    `console.log('held'); setInterval(() => 0, 1000);`;
  const args = ['--input-type=module', '--eval', program];
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
};
const nothing = (): void => undefined;

const approvedBy = async (args: readonly string[], ...names: string[]): Promise<string[]> => {
  const file = at('op.json');
  await typed(nothing, ...args, '--propose', file).catch((error: unknown) => {
    if ((error as { code?: string }).code !== 'certmill.proposed') throw error;
  });
  const operation = parseOperation(readFileSync(file, 'utf8'), file);
  return names.flatMap((name) => {
    const time = { nowMs: Date.now(), expiresMs: Date.now() + 60_000 };
    const approval = at(`${name}.json`);
    const signed = approve(operation, name, keyOf(name).privateKey, time);
    writeFileSync(approval, JSON.stringify(signed));
    return ['--approval', approval];
  });
};

describe('a command in two folders whose quorums are other people', () => {
  it('is approved by both, and by neither alone: then nothing is used up', async () => {
    const args = ['--data', anInstallation('a', 'alice', 'bob'), '--parent-data'];
    args.push(anInstallation('b', 'carol', 'dora'));
    const approvals = await approvedBy(args, 'alice', 'bob', 'carol', 'dora');
    await expect(typed(nothing, ...args, ...approvals.slice(0, 6))).rejects.toMatchObject({
      code: 'APPROVAL_REQUIRED',
      message: expect.stringContaining(
        '1 of 2 approvals are there; these can approve: dora',
      ) as unknown,
    });
    for (const name of ['a', 'b']) expect(await readApprovalFolder(at(name))).toEqual([]);
    await expect(typed(nothing, ...args, ...approvals)).resolves.toBe('what was read');
    for (const [name, first] of [
      ['a', 'alice'],
      ['b', 'carol'],
    ] as const) {
      const [used] = await readApprovalFolder(at(name));
      expect(used?.approvals).toMatchObject([{ approver: first }, {}]);
    }
  });
});

describe('a command in two folders of one installation', () => {
  it('is refused where they are two: the one with the copied id does not stand for both', async () => {
    const mine = anInstallation('mine', 'dora');
    const theirs = anInstallation('theirs', 'alice', 'bob');
    const { installation } = (await readQuorumPolicy(theirs)) ?? {};
    const people = JSON.parse(readFileSync(quorumPolicyFileOf(mine), 'utf8')) as object;
    writeFileSync(quorumPolicyFileOf(mine), JSON.stringify({ ...people, installation }));
    for (const args of [
      ['--data', theirs, '--parent-data', mine],
      ['--data', mine, '--parent-data', theirs],
    ]) {
      await expect(approvedBy(args, 'dora')).rejects.toMatchObject({
        code: 'CONFLICT',
        message: expect.stringMatching(
          /both claim .* take ca\/quorum\.json out of the copy/,
        ) as unknown,
      });
    }
  });

  it('runs once an honest copy has a quorum of its own', async () => {
    const first = anInstallation('first', 'alice');
    cpSync(first, at('copy'), { recursive: true });
    const args = ['--data', first, '--parent-data', at('copy')];
    await expect(approvedBy(args, 'alice')).rejects.toMatchObject({ code: 'CONFLICT' });
    rmSync(quorumPolicyFileOf(at('copy')));
    anInstallation('copy', 'alice');
    await expect(typed(nothing, ...args, ...(await approvedBy(args, 'alice')))).resolves.toBe(
      'what was read',
    );
    for (const folder of [first, at('copy')]) {
      expect(await readApprovalFolder(folder)).toHaveLength(1);
    }
  });

  it('is asked once where both are one, whatever link leads there', async () => {
    const first = anInstallation('first', 'alice');
    symlinkSync(first, at('link'));
    const args = ['--data', first, '--parent-data', at('link')];
    await expect(typed(nothing, ...args, ...(await approvedBy(args, 'alice')))).resolves.toBe(
      'what was read',
    );
    expect(await readApprovalFolder(first)).toHaveLength(1);
  });
});

describe('approvals of a command', () => {
  it('are good until it has ended well, once', async () => {
    const args = ['--data', anInstallation('a', 'alice')];
    const approvals = await approvedBy(args, 'alice');
    const wrong = (): never => {
      throw new CertmillError('INVALID_INPUT', 'the passphrase is wrong');
    };
    await expect(typed(wrong, ...args, ...approvals)).rejects.toThrow('the passphrase is wrong');
    await expect(typed(nothing, ...args, ...approvals)).resolves.toBe('what was read');
    await expect(typed(nothing, ...args, ...approvals)).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('its approvals are used up') as unknown,
    });
  });

  it('are for one command at a time, and for none after it has ended', async () => {
    const args = ['--data', anInstallation('a', 'alice')];
    const approvals = await approvedBy(args, 'alice');
    let done = 0;
    let refused = 0;
    // Until both others were told.
    const slowly = async (): Promise<void> => {
      done += 1;
      while (refused < 2) await pause(5);
    };
    const all = await Promise.allSettled(
      [1, 2, 3].map(async () => {
        try {
          return await typed(slowly, ...args, ...approvals);
        } catch (error) {
          refused += 1;
          throw error;
        }
      }),
    );
    expect(all.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected', 'rejected']);
    for (const one of all.filter((each) => each.status === 'rejected')) {
      expect(one.reason).toMatchObject({
        code: 'CONFLICT',
        message: expect.stringContaining('is being done by another command') as unknown,
      });
    }
    await expect(typed(slowly, ...args, ...approvals)).rejects.toThrow('its approvals are used up');
    expect(done).toBe(1);
  });

  it('are free again once the process of a command was killed', async () => {
    const args = ['--data', anInstallation('a', 'alice')];
    const approvals = await approvedBy(args, 'alice');
    const { operation } = JSON.parse(readFileSync(at('alice.json'), 'utf8')) as {
      operation: { id: string };
    };
    const holder = holderOf(at('a'), operation.id);
    try {
      await once(holder.stdout, 'data');
      await expect(typed(nothing, ...args, ...approvals)).rejects.toThrow('by another command');
    } finally {
      holder.kill('SIGKILL');
      await once(holder, 'exit');
    }
    await expect(typed(nothing, ...args, ...approvals)).resolves.toBe('what was read');
  });

  it('are good in the folder that they are of, and in no other with the same people', async () => {
    const approvals = await approvedBy(['--data', anInstallation('a', 'alice')], 'alice');
    const elsewhere = ['--data', anInstallation('b', 'alice')];
    await expect(typed(nothing, ...elsewhere, ...approvals)).rejects.toMatchObject({
      code: 'APPROVAL_REQUIRED',
      message: expect.stringContaining('with other content') as unknown,
    });
  });

  it('are of the bytes that were hashed, whatever the file holds when it is acted on', async () => {
    const args = ['--data', anInstallation('a', 'alice')];
    const approvals = await approvedBy(args, 'alice');
    const swapped = (file: string): void => writeFileSync(file, 'something else');
    await expect(typed(swapped, ...args, ...approvals)).resolves.toBe('what was read');
  });
});
