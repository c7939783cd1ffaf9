import { execFileSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { publicFileMode, writeFileAtomically } from '../atomic-file.js';
import { createHierarchy } from '../hierarchy/create-hierarchy.js';
import { rekeyAuthority } from '../hierarchy/renew-authority.js';
import { writeRevokedCas } from '../hierarchy/revoked-cas.js';
import { type Approval, approve } from './approval.js';
import type { CeremonyStep } from './ceremony-file.js';
import { entryHash, type TranscriptEntry } from './ceremony-record.js';
import { newOperationId } from './operation.js';
import { keyFingerprint, participantKeyOf } from './participant-keys.js';
import { ceremonyOperation } from './parse-ceremony.js';
import { quorumPolicyFileOf, readQuorumPolicy, serializeQuorumPolicy } from './quorum-policy.js';
import { parseKeyShare } from './key-share.js';
import { rehearseCeremony } from './rehearse-ceremony.js';
import { codeHash, installedPackages } from './running-software.js';
import { type CeremonyProgress, type CeremonyRun, runCeremony } from './run-ceremony.js';
import {
  aCeremony,
  aliceAndFriends,
  aPerson,
  participantOf,
  type Person,
} from './testing/a-ceremony.js';
import { aCeremonyOf, aRun, ceremonyMs, everybody, play, transcriptOf } from './testing/play.js';
import {
  parseTranscript,
  serializeTranscript,
  verifyTranscript,
  witnessTranscript,
} from './transcript.js';

const { alice, carol, wendy } = aliceAndFriends;
const [makeRoot] = aCeremony().steps;
if (makeRoot === undefined) throw new Error('no step');

let data: string;
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'certmill-ceremony-'));
});
afterEach(() => {
  rmSync(data, { recursive: true, force: true });
});

const at = (...path: string[]): string => join(data, ...path);
const text = (...path: string[]): string => readFileSync(at(...path), 'utf8');

describe('a ceremony that makes a root', () => {
  it('leaves a certificate, a sealed key, shares, and a transcript that its witness signs', async () => {
    const result = await play(data, [makeRoot]);
    expect(readdirSync(at('ca/root')).sort()).toEqual([
      'certificate.pem',
      'chain.pem',
      'key.sealed.json',
    ]);
    const root = new X509Certificate(text('ca/root/certificate.pem'));
    expect(root.verify(root.publicKey)).toBe(true);
    const outputs = readdirSync(join(result.folder, '01-make-root/outputs')).sort();
    expect(outputs).toEqual([
      'key-root.alice.share.json',
      'key-root.bob.share.json',
      'key-root.carol.share.json',
      'root.pem',
    ]);
    const transcript = await transcriptOf(result);
    const signature = witnessTranscript(transcript, wendy.privateKey, ceremonyMs);
    await expect(verifyTranscript(result.transcriptFile, [signature])).resolves.toMatchObject({
      witnesses: ['wendy'],
      filesChecked: 4,
      handedOut: 0,
      left: ['alice', 'bob', 'carol'].map((name) =>
        join(result.folder, `01-make-root/outputs/key-root.${name}.share.json`),
      ),
    });
    expect(() => witnessTranscript(transcript, alice.privateKey, ceremonyMs)).toThrow('no witness');
  });

  it('stays sound when the custodians have taken their shares away', async () => {
    const result = await play(data, [makeRoot]);
    const outputs = join(result.folder, '01-make-root/outputs');
    for (const name of readdirSync(outputs).filter((file) => file.endsWith('.share.json'))) {
      rmSync(join(outputs, name));
    }
    const signature = witnessTranscript(await transcriptOf(result), wendy.privateKey, ceremonyMs);
    await expect(verifyTranscript(result.transcriptFile, [signature])).resolves.toMatchObject({
      filesChecked: 1,
      handedOut: 3,
      left: [],
    });
  });

  it('has no key in any file, not even encrypted by one person', async () => {
    await play(data, [makeRoot]);
    const all = readdirSync(data, { recursive: true, encoding: 'utf8' });
    expect(all.filter((name) => name.endsWith('key.pem'))).toEqual([]);
    for (const name of all.filter((one) => one.endsWith('.json'))) {
      expect(text(name)).not.toMatch(/PRIVATE KEY/);
    }
  });
});

const adoptedIn = async (folder: string): Promise<string> => {
  await play(folder, [{ do: 'adopt-quorum' }]);
  return (await readQuorumPolicy(folder))?.installation ?? '';
};

describe('a ceremony is refused', () => {
  const refused = async (changes: Parameters<typeof aRun>[2]): Promise<void> => {
    await runCeremony(aRun(data, aCeremony(), changes));
  };
  const nothingIsThere = (): void => expect(readdirSync(data)).toEqual([]);

  it('with too few approvals', async () => {
    const { approvals } = aRun(data, aCeremony());
    await expect(refused({ approvals: approvals.slice(1) })).rejects.toThrow('1 of 2 approvals');
    nothingIsThere();
  });

  it('with an approval of another ceremony, and with one of a changed file', async () => {
    for (const other of [aCeremonyOf(makeRoot), aCeremony({ name: 'root-2027' })]) {
      const { approvals } = aRun(data, other);
      await expect(refused({ approvals })).rejects.toMatchObject({ code: 'APPROVAL_REQUIRED' });
    }
    nothingIsThere();
  });

  it('before its window, and after it', async () => {
    await expect(refused({ now: () => Date.parse('2026-10-31T23:59:59Z') })).rejects.toThrow(
      'it is 2026-10-31T23:59:59.000Z, and the ceremony may begin at 2026-11-01T00:00:00Z',
    );
    await expect(refused({ now: () => Date.parse('2026-12-01T00:00:00Z') })).rejects.toThrow(
      'and the ceremony ended at',
    );
    nothingIsThere();
  });

  it('a second time, also from a copy of its file with another name', async () => {
    await runCeremony(aRun(data, aCeremony()));
    const again = { ...aCeremony(), name: 'root-again' };
    await expect(runCeremony(aRun(data, again))).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  it('in another folder than it was approved for, with the same people', async () => {
    const [here, there] = [at('here'), at('there')];
    const installation = await adoptedIn(here);
    const ceremony = aCeremony({ id: newOperationId(), installation, steps: [makeRoot] });
    const run = aRun(there, ceremony);
    await expect(runCeremony(run)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    const other = await adoptedIn(there);
    await expect(runCeremony(run)).rejects.toThrow(
      `is for the installation ${installation}, and the data folder is the installation ${other}`,
    );
    const unbound = aRun(there, aCeremonyOf(makeRoot));
    await expect(runCeremony(unbound)).rejects.toThrow('is for a folder without a quorum');
    const workDirectory = at('work');
    await expect(rehearseCeremony({ ...run, workDirectory })).rejects.toMatchObject({
      code: 'FORBIDDEN',
    });
    const { transcriptFile } = await runCeremony({ ...run, dataDirectory: here });
    const signature = witnessTranscript(
      parseTranscript(readFileSync(transcriptFile, 'utf8'), transcriptFile),
      wendy.privateKey,
      ceremonyMs,
    );
    await expect(
      verifyTranscript(transcriptFile, [signature], { installation: other }),
    ).rejects.toThrow(`it is of the installation ${installation}`);
    await expect(
      verifyTranscript(transcriptFile, [signature], { installation }),
    ).resolves.toBeDefined();
  });

  it('in its rehearsal where its administrators cannot be the quorum of the folder', async () => {
    const installation = await adoptedIn(data);
    const [dora, { bob }] = [aPerson('dora'), aliceAndFriends];
    const ceremony = aCeremony({
      ...{ id: newOperationId(), installation },
      participants: [
        participantOf(dora, 'administrator', 'custodian'),
        participantOf(bob, 'administrator', 'custodian'),
        participantOf(wendy, 'witness'),
      ],
    });
    await expect(
      rehearseCeremony({ ...aRun(data, ceremony), workDirectory: at('work') }),
    ).rejects.toThrow('asks for 2 of alice, bob, carol, of whom 1 are administrators');
  });

  it('by people whom the installation does not know, once it has a quorum', async () => {
    const usurpers = aCeremony({
      ...{ id: newOperationId(), installation: await adoptedIn(data) },
      quorum: { approvals: 1, shares: 2, witnesses: 1 },
      participants: [
        participantOf(wendy, 'administrator'),
        participantOf(aPerson('walter'), 'witness'),
        participantOf(carol, 'custodian'),
        participantOf(alice, 'custodian'),
      ],
    });
    const time = { nowMs: ceremonyMs, expiresMs: ceremonyMs + 3_600_000 };
    const approvals = [approve(ceremonyOperation(usurpers), 'wendy', wendy.privateKey, time)];
    await expect(runCeremony(aRun(data, usurpers, { approvals }))).rejects.toThrow(
      '0 of 2 approvals are there; these can approve: alice, bob, carol',
    );
  });

  it('by another quorum that the installation adopted while it lay killed', async () => {
    const run = aRun(data, aCeremonyOf(makeRoot));
    const stop = (): never => {
      throw new Error('stopped');
    };
    await expect(runCeremony({ ...run, tell: stop })).rejects.toThrow('stopped');
    const strangers = ['dora', 'emil'].map((name) => aPerson(name));
    mkdirSync(at('ca'));
    await writeFileAtomically(
      quorumPolicyFileOf(data),
      serializeQuorumPolicy({ threshold: 2, approvers: strangers }),
      publicFileMode,
    );
    await expect(runCeremony(run)).rejects.toMatchObject({ code: 'APPROVAL_REQUIRED' });
    expect(readdirSync(at('ca'))).toEqual(['quorum.json']);
  });

  it('unless the people of the file and those of the installation, who are others, approve', async () => {
    const [dora, emil] = [aPerson('dora'), aPerson('emil')];
    const installation = await adoptedIn(data);
    const heirs = [dora, emil].map((one) => participantOf(one, 'administrator', 'custodian'));
    const ceremony = aCeremony({
      ...{ id: newOperationId(), participants: [...heirs, participantOf(wendy, 'witness')] },
      installation,
      steps: [{ do: 'adopt-quorum' }],
    });
    const time = { nowMs: ceremonyMs, expiresMs: ceremonyMs + 3_600_000 };
    const operation = ceremonyOperation(ceremony);
    const signed = (...people: Person[]): Approval[] =>
      people.map((one) => approve(operation, one.name, one.privateKey, time));
    const { bob } = aliceAndFriends;
    const run = aRun(data, ceremony, { approvals: signed(dora, emil, alice) });
    await expect(runCeremony(run)).rejects.toThrow('1 of 2 approvals');
    const approved = { ...run, approvals: signed(dora, emil, alice, bob) };
    const dies = runCeremony({
      ...approved,
      tell: ({ kind }) => {
        if (kind === 'done') throw new Error('killed');
      },
    });
    await expect(dies).rejects.toThrow('killed');
    const result = await runCeremony(approved);
    const signature = witnessTranscript(await transcriptOf(result), wendy.privateKey, ceremonyMs);
    await expect(verifyTranscript(result.transcriptFile, [signature])).resolves.toBeDefined();
    expect((await readQuorumPolicy(data))?.approvers.map(({ name }) => name)).toEqual([
      'dora',
      'emil',
    ]);
    expect(await readQuorumPolicy(data)).toMatchObject({ installation });
  });

  it('when the clock was set back behind what is recorded', async () => {
    let nowMs = ceremonyMs;
    const back = (): void => void (nowMs -= 60_000);
    await expect(
      refused({ now: () => nowMs, tell: ({ kind }) => kind === 'committed' && back() }),
    ).rejects.toMatchObject({ code: 'FAULT_CLOCK_BACKWARDS' });
  });

  it('when its file was changed between two runs', async () => {
    const run = aRun(data, aCeremony());
    const stop = (): never => {
      throw new Error('stopped');
    };
    await expect(runCeremony({ ...run, tell: stop })).rejects.toThrow('stopped');
    const changed = aRun(data, aCeremony({ description: 'Another.' }));
    await expect(runCeremony(changed)).rejects.toThrow('was begun with another content');
  });
});

describe('a ceremony that was killed, and whose window is over', () => {
  const later = { now: () => Date.parse('2027-03-01T00:00:00Z') };
  const killedWhen = async (isThen: (progress: CeremonyProgress) => boolean) => {
    await play(data, [makeRoot]);
    const destroy = { do: 'destroy-key', ca: 'root', reason: 'a test' } as const;
    const run = aRun(data, aCeremonyOf(destroy, { do: 'make-crl', ca: 'root', nextUpdate: '1y' }));
    const dies = runCeremony({
      ...run,
      tell: (progress) => {
        if (isThen(progress)) throw new Error('killed');
      },
    });
    await expect(dies).rejects.toThrow('killed');
    return run;
  };

  it('finishes what a committed step is to change, and begins no other step', async () => {
    const run = await killedWhen(({ kind }) => kind === 'committed');
    const key = at('ca/root/key.sealed.json');
    expect(existsSync(key)).toBe(true);
    await expect(runCeremony({ ...run, ...later })).rejects.toMatchObject({
      code: 'FORBIDDEN',
      message: expect.stringContaining('the ceremony ended at') as string,
    });
    expect(existsSync(key)).toBe(false);
  });

  it('comes to its end where all of its steps are done', async () => {
    const run = aRun(data, aCeremonyOf(makeRoot));
    const dies = runCeremony({
      ...run,
      tell: ({ kind }) => {
        if (kind === 'done') throw new Error('killed');
      },
    });
    await expect(dies).rejects.toThrow('killed');
    const { entries } = await runCeremony({ ...run, ...later });
    expect(entries.at(-1)).toMatchObject({ kind: 'end', at: '2027-03-01T00:00:00.000Z' });
  });
});

describe('a ceremony whose record was tampered with while it lay killed', () => {
  const killedAt = async (
    kind: string,
  ): Promise<{ readonly run: CeremonyRun; readonly folder: string }> => {
    const run = aRun(data, aCeremonyOf(makeRoot));
    const dies = runCeremony({
      ...run,
      tell: (progress) => {
        if (progress.kind === kind) throw new Error('killed');
      },
    });
    await expect(dies).rejects.toThrow('killed');
    return { run, folder: at('ceremonies', readdirSync(at('ceremonies'))[0] ?? '') };
  };
  const install = { kind: 'install', path: 'ca/root', files: [] };

  it.each([
    ['is empty', '', 'it is not JSON'],
    ['is a list', '[]', 'no entry of a ceremony'],
    ['has no hash', '{"kind":"step"}', 'no entry of a ceremony'],
    ['writes out of the folder', { effects: [{ ...install, path: '../ca' }] }, 'effects.0.path'],
    [
      'destroys out of the folder',
      { effects: [{ kind: 'destroy', path: '../x', sha256: '0'.repeat(64), bytes: 1 }] },
      'effects.0.path',
    ],
    ['changes what is no path', { effects: [{ ...install, path: 7 }] }, 'effects.0.path'],
    ['is of another kind', { kind: 'end' }, 'no entry'],
    ['is of another step', { step: 2 }, 'is of another step'],
    ['does not follow', { previous: '1'.repeat(64) }, 'does not follow'],
  ])('does not go on from an entry that %s', async (_, change, reason) => {
    const { run, folder } = await killedAt('committed');
    const file = join(folder, '01-make-root/entry.json');
    const entry = JSON.parse(readFileSync(file, 'utf8')) as object;
    writeFileSync(
      file,
      typeof change === 'string' ? change : JSON.stringify({ ...entry, ...change }),
    );
    await expect(runCeremony(run)).rejects.toMatchObject({
      code: 'FAULT_STORE_CORRUPT',
      message: expect.stringContaining(reason) as string,
    });
    expect(existsSync(at('ca/root'))).toBe(false);
  });

  it.each([
    ['00-begin/entry.json', 'begun'],
    ['01-make-root/effects.json', 'done'],
  ])('says which file is damaged: %s', async (name, kind) => {
    const { run, folder } = await killedAt(kind);
    writeFileSync(join(folder, name), '{"kind":null}');
    await expect(runCeremony(run)).rejects.toMatchObject({
      code: 'FAULT_STORE_CORRUPT',
      message: expect.stringContaining(name) as string,
    });
  });
});

describe('a step that fails', () => {
  it('leaves nothing of itself, and is done by the next run', async () => {
    await createHierarchy({
      name: 'factory',
      directory: data,
      passphrase: 'the folder',
      nowMs: ceremonyMs - 1,
    });
    const ceremony = aCeremonyOf({ do: 'split-key', ca: 'root' });
    const wrong = { ...everybody, folderPassphrase: () => Promise.resolve('wrong') };
    const before = readdirSync(at('ca/root'));
    const run = aRun(data, ceremony, { custody: wrong });
    await expect(runCeremony(run)).rejects.toThrow('cannot be decrypted');
    expect(readdirSync(at('ca/root'))).toEqual(before);
    const folder = readdirSync(at('ceremonies'))[0] ?? '';
    expect(readdirSync(at('ceremonies', folder))).toEqual(['00-begin']);
    await runCeremony({ ...run, custody: everybody });
    expect(existsSync(at('ca/root/key.pem'))).toBe(false);
    expect(existsSync(at('ca/root/key.sealed.json'))).toBe(true);
  });

  it('over an input that is not what was approved names both hashes', async () => {
    writeFileSync(at('bundle.json'), 'approved');
    const sha256 = createHash('sha256').update('approved').digest('hex');
    writeFileSync(at('bundle.json'), 'approveD');
    const step = { do: 'restore-keys', bundle: { file: 'bundle.json', sha256 } } as const;
    await expect(play(data, [step])).rejects.toThrow(
      /^bundle\.json is not what was approved: its SHA-256 is \w{64}, approved is/,
    );
  });
});

describe('the keys of CAs', () => {
  const backUp: CeremonyStep = { do: 'backup-keys', cas: ['root'] };
  const destroy = { do: 'destroy-key', ca: 'root', reason: 'a test' } as const;

  /** The backup, and the shares that open it and the key. */
  const backedUp = async (): Promise<{ folder: string; sha256: string }> => {
    const { folder } = await play(data, [makeRoot, backUp]);
    const bundle = join(folder, '02-backup-keys/outputs/backup.sealed.json');
    const sha256 = createHash('sha256').update(readFileSync(bundle)).digest('hex');
    return { folder, sha256 };
  };
  const sharesBelow = (folder: string): typeof everybody.shares =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.share.json'))
      .map((name) => parseKeyShare(readFileSync(join(folder, name), 'utf8'), name));

  it('are backed up, destroyed, and restored into an empty folder with a proof', async () => {
    const { folder, sha256 } = await backedUp();
    const shares = sharesBelow(folder);
    const sealed = text('ca/root/key.sealed.json');
    await play(data, [destroy]);
    expect(existsSync(at('ca/root/key.sealed.json'))).toBe(false);
    const empty = mkdtempSync(join(tmpdir(), 'certmill-restored-'));
    try {
      cpSync(join(folder, '02-backup-keys/outputs/backup.sealed.json'), join(empty, 'b.json'));
      const restore = { do: 'restore-keys', bundle: { file: 'b.json', sha256 } } as const;
      const result = await play(empty, [restore], { custody: { ...everybody, shares } });
      expect(readFileSync(join(empty, 'ca/root/key.sealed.json'), 'utf8')).toBe(sealed);
      const [, step] = result.entries;
      expect(step).toMatchObject({
        facts: {
          cas: [{ ca: 'root', proof: expect.stringContaining('signed a challenge') as string }],
        },
      });
    } finally {
      rmSync(empty, { recursive: true });
    }
  });

  it('of many CAs are backed up with all that lies beside them, and that is restored', async () => {
    const options = { directory: data, passphrase: 'the folder', nowMs: ceremonyMs - 1 };
    await createHierarchy({ name: 'factory', ...options });
    const factory = text('ca/factory/certificate.pem');
    const names = Array.from(
      { length: 14 },
      (_, i) => `factory-line-${String(i).padStart(2, '0')}`,
    );
    for (const name of names) cpSync(at('ca/factory'), at('ca', name), { recursive: true });
    // As much as thousands of certificates, in few files.
    writeFileSync(at('ca/root/issued/4a01.pem'), factory.repeat(1_000));
    const leftovers = ['ca/root/.ca.crl.0a1b2c3d.tmp', 'ca/root/issued/.4a01.pem.0a1b2c3d.tmp'];
    for (const file of leftovers) writeFileSync(at(file), 'killed');
    const revoked = { serialNumberHex: '4a01', subject: 'CN=x', reason: 'superseded' } as const;
    const times = { revokedAtMs: ceremonyMs, notAfterMs: ceremonyMs };
    await writeRevokedCas(at('ca/root/revoked-cas.json'), [{ ...revoked, ...times }]);
    const { folder } = await play(data, [{ do: 'backup-keys', cas: ['root', ...names] }]);
    const bundle = readFileSync(join(folder, '01-backup-keys/outputs/backup.sealed.json'));
    expect(bundle.length).toBeGreaterThan(1024 * 1024);
    const empty = mkdtempSync(join(tmpdir(), 'certmill-restored-'));
    try {
      writeFileSync(join(empty, 'b.json'), bundle);
      const sha256 = createHash('sha256').update(bundle).digest('hex');
      const shares = sharesBelow(folder);
      const restore = { do: 'restore-keys', bundle: { file: 'b.json', sha256 } } as const;
      const result = await play(empty, [restore], { custody: { ...everybody, shares } });
      const signature = witnessTranscript(await transcriptOf(result), wendy.privateKey, ceremonyMs);
      await verifyTranscript(result.transcriptFile, [signature]);
      for (const file of leftovers) rmSync(at(file));
      for (const name of ['root', ...names]) {
        const [before, after] = [at('ca', name), join(empty, 'ca', name)];
        execFileSync('diff', ['-r', before, after]);
      }
      const step = result.entries.find(({ kind }) => kind === 'step');
      expect(step).toMatchObject({
        facts: {
          cas: [{ ca: 'root', revocations: 1 }, ...names.map((ca) => ({ ca, revocations: 0 }))],
        },
      });
    } finally {
      rmSync(empty, { recursive: true });
    }
  });

  it('are not restored with too few custodians, shares of another ceremony, or over a CA', async () => {
    const { folder, sha256 } = await backedUp();
    const other = await play(mkdtempSync(join(data, 'other-')), [makeRoot, backUp]);
    const bundle = join(folder, '02-backup-keys/outputs/backup.sealed.json');
    cpSync(bundle, at('b.json'));
    const restore = { do: 'restore-keys', bundle: { file: 'b.json', sha256 } } as const;
    const attempt = (shares: typeof everybody.shares): Promise<unknown> =>
      play(data, [restore], { custody: { ...everybody, shares } });
    const shares = sharesBelow(folder);
    const some = shares.filter(({ custodian }) => custodian === 'alice');
    await expect(attempt(some)).rejects.toThrow('1 of 2 shares of backup root are there');
    await expect(attempt(sharesBelow(other.folder))).rejects.toThrow('belongs to another secret');
    await expect(attempt(shares)).rejects.toThrow('ca/root is there already');
  });

  it('are not restored beside another CA of their subject', async () => {
    const { folder, sha256 } = await backedUp();
    const other = await play(mkdtempSync(join(data, 'other-')), [makeRoot]);
    rmSync(at('ca/root'), { recursive: true });
    cpSync(join(dirname(dirname(other.folder)), 'ca/root'), at('ca/elder'), { recursive: true });
    cpSync(join(folder, '02-backup-keys/outputs/backup.sealed.json'), at('b.json'));
    const restore = { do: 'restore-keys', bundle: { file: 'b.json', sha256 } } as const;
    const restored = play(data, [restore], {
      custody: { ...everybody, shares: sharesBelow(folder) },
    });
    await expect(restored).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringMatching(
        /^CA 'elder' has the subject .*CN=.* as 'root' .*another key/,
      ) as string,
    });
    expect(existsSync(at('ca/root'))).toBe(false);
  });

  it('of a CA and of its successor are restored together, and each beside the other', async () => {
    const directory = data;
    const options = { directory, passphrase: 'the folder', nowMs: ceremonyMs - 1 };
    await createHierarchy({ name: 'factory', ...options });
    const rekeyed = { ...options, name: 'factory', successor: 'factory-2' };
    await rekeyAuthority({ ...rekeyed, parent: { ...options, name: 'root' } });
    for (const cas of [['factory', 'factory-2'], ['factory'], ['factory-2']]) {
      const { folder } = await play(data, [{ do: 'backup-keys', cas }]);
      const bundle = readFileSync(join(folder, '01-backup-keys/outputs/backup.sealed.json'));
      writeFileSync(at('b.json'), bundle);
      for (const ca of cas) rmSync(at('ca', ca), { recursive: true });
      const sha256 = createHash('sha256').update(bundle).digest('hex');
      const restore = { do: 'restore-keys', bundle: { file: 'b.json', sha256 } } as const;
      await play(data, [restore], { custody: { ...everybody, shares: sharesBelow(folder) } });
      expect(readdirSync(at('ca'))).toEqual(expect.arrayContaining(cas));
    }
  });

  it('go from whole to split, to other custodians, and back, and are the same key', async () => {
    const options = { directory: data, passphrase: 'the folder', nowMs: ceremonyMs - 1 };
    await createHierarchy({ name: 'factory', ...options });
    const key = text('ca/root/key.pem');
    const first = await play(data, [{ do: 'split-key', ca: 'root' }]);
    const shares = sharesBelow(first.folder);
    const second = await play(data, [{ do: 'split-key', ca: 'root' }], {
      custody: { ...everybody, shares },
    });
    const recover = { do: 'recover-key', ca: 'root' } as const;
    await expect(play(data, [recover], { custody: { ...everybody, shares } })).rejects.toThrow(
      'belongs to another secret',
    );
    const custody = { ...everybody, shares: sharesBelow(second.folder) };
    await play(data, [recover], { custody });
    expect(readdirSync(at('ca/root'))).not.toContain('key.sealed.json');
    expect(text('ca/root/key.pem')).not.toBe(key);
    // With the key that came back, another CA is made: it is the root's.
    await createHierarchy({ name: 'factory-b', ...options });
  });

  it('are destroyed with the hash of what went in the transcript', async () => {
    await play(data, [makeRoot]);
    const sha256 = createHash('sha256').update(text('ca/root/key.sealed.json')).digest('hex');
    const result = await play(data, [destroy]);
    expect(result.entries.at(-2)).toMatchObject({
      kind: 'effects',
      done: [expect.stringMatching(new RegExp(`${sha256}, was overwritten and removed$`))],
    });
    await expect(play(data, [destroy])).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('the hash of the running code', () => {
  const aPackage = (path: string, content: object, code = ''): void => {
    mkdirSync(at(path), { recursive: true });
    writeFileSync(at(path, 'package.json'), JSON.stringify({ version: '1.0.0', ...content }));
    writeFileSync(at(path, 'index.js'), code);
    writeFileSync(at(path, 'README.md'), code);
  };

  const hashed = async (): Promise<string> => codeHash(await installedPackages(at('app')));

  it('covers every package that is declared, and no other', async () => {
    aPackage('app', { name: 'app', dependencies: { a: '1' }, devDependencies: { test: '1' } });
    aPackage('node_modules/test', { name: 'test' });
    aPackage('app/node_modules/a', { name: 'a', dependencies: { b: '1' } });
    const optional = {
      optionalDependencies: { a: '1', absent: '1' },
      peerDependencies: { c: '1' },
    };
    aPackage('node_modules/b', { name: 'b', ...optional });
    aPackage('node_modules/c', { name: 'c' });
    const names = (await installedPackages(at('app'))).map(({ name }) => name);
    expect(names).toEqual(['a', 'app', 'b', 'c']);
    const before = await hashed();
    appendFileSync(at('node_modules/test/index.js'), 'x');
    expect(await hashed()).toBe(before);
    appendFileSync(at('node_modules/b/index.js'), 'x');
    expect(await hashed()).not.toBe(before);
  });

  it.each(['real.spec.js', 'x.bench.js', 'x.conformance.js', 'tool', 'lib/native.so', '.hidden'])(
    'covers a file of a package of any name: %s',
    async (name) => {
      aPackage('app', { name: 'app', dependencies: { a: '1' } });
      aPackage('node_modules/a', { name: 'a' });
      const before = await hashed();
      mkdirSync(dirname(at('node_modules/a', name)), { recursive: true });
      writeFileSync(at('node_modules/a', name), 'one');
      const one = await hashed();
      writeFileSync(at('node_modules/a', name), 'two');
      expect(new Set([before, one, await hashed()]).size).toBe(3);
    },
  );

  it('covers what links lead to, and comes to an end where they go round', async () => {
    aPackage('app', { name: 'app' });
    mkdirSync(at('elsewhere/deep'), { recursive: true });
    for (const file of ['elsewhere/file', 'elsewhere/deep/file']) writeFileSync(at(file), 'one');
    symlinkSync(at('elsewhere/file'), at('app/file'));
    symlinkSync(at('elsewhere/deep'), at('app/folder'));
    symlinkSync(at('app'), at('app/round'));
    const hashes = [await hashed()];
    for (const file of ['elsewhere/file', 'elsewhere/deep/file']) {
      writeFileSync(at(file), 'two');
      hashes.push(await hashed());
    }
    expect(new Set(hashes).size).toBe(3);
    symlinkSync(at('nowhere'), at('app/broken'));
    await expect(hashed()).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });

  it('covers the library that splits secrets', async () => {
    const trust = join(import.meta.dirname, '../..');
    const names = (await installedPackages(trust)).map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['@certmill/trust', 'shamir-secret-sharing']));
  });
});

describe('verifying a transcript', () => {
  const played = async (): Promise<{ file: string; folder: string; sound: string }> => {
    const { transcriptFile, folder } = await play(data, [makeRoot]);
    return { file: transcriptFile, folder, sound: readFileSync(transcriptFile, 'utf8') };
  };

  it('finds whatever was changed in it', async () => {
    const { file, sound } = await played();
    for (let index = 3; index < sound.length; index += 211) {
      const other = sound[index] === '0' ? '1' : '0';
      writeFileSync(file, sound.slice(0, index) + other + sound.slice(index + 1));
      await expect(verifyTranscript(file, [])).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    }
  });

  /** A transcript with every hash right again. */
  const chained = (sound: string, change: (entries: Record<string, unknown>[]) => void): string => {
    const { entries } = JSON.parse(sound) as { entries: Record<string, unknown>[] };
    change(entries);
    let previous = '0'.repeat(64);
    const again = entries.map((entry) => {
      const linked = { ...entry, previous } as unknown as TranscriptEntry;
      previous = entryHash(linked);
      return linked;
    });
    return serializeTranscript(again);
  };
  const path = '../../../../ca/root/certificate.pem';
  it.each<[string, (begin: Record<string, unknown>, step: Record<string, unknown>) => void]>([
    ['a step without effects', (_, step) => delete step['effects']],
    ['no approvals', (begin) => delete begin['approvals']],
    ['approvals of null', (begin) => (begin['approvals'] = null)],
    ['a null approval', (begin) => (begin['approvals'] = [null, null])],
    [
      'a signature that is a number',
      (begin) => {
        const [first = {}, ...others] = begin['approvals'] as object[];
        begin['approvals'] = [{ ...first, signature: 7 }, ...others];
      },
    ],
    [
      'a path out of the folder',
      (_, step) => (step['outputs'] = [{ path, sha256: '0'.repeat(64), bytes: 1 }]),
    ],
    ['a member that nobody knows', (_, step) => (step['more'] = true)],
    ['a rehearsal', (begin) => (begin['isRehearsal'] = true)],
    ['a step of 1999', (_, step) => (step['startedAt'] = '1999-01-01T00:00:00.000Z')],
    [
      'a step after the window',
      (_, step) => (step['startedAt'] = step['at'] = '2031-01-01T00:00:00.000Z'),
    ],
    [
      'a file that was not approved',
      (_, step) => (step['inputs'] = [{ path: 'inputs/x', sha256: '0'.repeat(64), bytes: 1 }]),
    ],
  ])('refuses %s, with a reason', async (_, change) => {
    const { sound, file } = await played();
    const text = chained(sound, ([begin = {}, step = {}]) => change(begin, step));
    expect(() => parseTranscript(text, file)).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT' }) as Error,
    );
  });

  it('refuses nesting without end, with a reason', async () => {
    const { sound, file } = await played();
    const deep = `"facts":{"deep":${'['.repeat(100_000)}${']'.repeat(100_000)},`;
    expect(() => parseTranscript(sound.replace('"facts":{', deep), file)).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT' }) as Error,
    );
  });

  it('finds a transcript that was rewritten as a whole, by the signature of its witness', async () => {
    const first = await played();
    const result = { transcriptFile: first.file, folder: first.folder };
    const transcript = await transcriptOf({ ...result, transcriptSha256: '', entries: [] });
    const signature = witnessTranscript(transcript, wendy.privateKey, ceremonyMs);
    const { folder } = await play(mkdtempSync(join(data, 'x-')), [makeRoot]);
    rmSync(first.folder, { recursive: true });
    renameSync(folder, first.folder);
    await expect(verifyTranscript(first.file, [signature])).rejects.toThrow('another transcript');
  });

  it.each([
    ['changed', (file: string) => writeFileSync(file, 'x'), 'is not what the transcript records'],
    ['missing', (file: string) => rmSync(file), 'of the transcript is missing'],
    ['added', (file: string) => cpSync(file, join(dirname(file), 'more.pem')), 'is not in the'],
  ])('finds a file that was %s', async (_, damage, reason) => {
    const { file, folder } = await played();
    damage(join(folder, '01-make-root/outputs/root.pem'));
    await expect(verifyTranscript(file, [])).rejects.toThrow(reason);
  });

  it('finds people whose keys the auditor does not know', async () => {
    const { file, folder } = await played();
    const empty = { transcriptSha256: '', entries: [] };
    const transcript = await transcriptOf({ transcriptFile: file, folder, ...empty });
    const signature = witnessTranscript(transcript, wendy.privateKey, ceremonyMs);
    const keyOf = ({ publicKey }: Person): string => keyFingerprint(participantKeyOf(publicKey));
    const { bob } = aliceAndFriends;
    const verify = (...known: Person[]): ReturnType<typeof verifyTranscript> =>
      verifyTranscript(file, [signature], { trustedKeys: new Set(known.map(keyOf)) });
    await expect(verify(alice, wendy)).rejects.toThrow(`not trusted: bob (${keyOf(bob)})`);
    await expect(verify(alice, bob)).rejects.toThrow(`not trusted: wendy (${keyOf(wendy)})`);
    await expect(verify(alice, bob, wendy)).resolves.toMatchObject({
      signers: [
        { name: 'alice', part: 'approved', keySha256: keyOf(alice) },
        { name: 'bob', part: 'approved' },
        { name: 'wendy', part: 'signed' },
      ],
    });
  });

  it('asks for enough witnesses, each once, of the ceremony', async () => {
    const { file, folder } = await played();
    await expect(verifyTranscript(file, [])).rejects.toThrow('0 of 1 witnesses have signed');
    const transcript = await transcriptOf({
      transcriptFile: file,
      folder,
      transcriptSha256: '',
      entries: [],
    });
    const good = witnessTranscript(transcript, wendy.privateKey, ceremonyMs);
    await expect(verifyTranscript(file, [good, good])).rejects.toThrow('signed twice');
    const forged = { ...good, signedAt: '2026-11-23T00:00:00.000Z' };
    await expect(verifyTranscript(file, [forged])).rejects.toThrow('of wendy does not verify');
    const stranger = { ...good, witness: 'bob' };
    await expect(verifyTranscript(file, [stranger])).rejects.toThrow('is of no witness');
    expect(basename(file)).toBe('transcript.json');
  });
});
