import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { aChunk } from '@certmill/signing/testing';
import { countVerified, signBulk } from './certificates.js';
import type { SigningProcess, Told } from './signing-process.js';
import { hungExitCode } from './signing-orders.js';
import { TokenFixture } from './token-fixture.js';

const CKR_DEVICE_ERROR = 0x30;
const CKR_PIN_INCORRECT = 0xa0;
const forEver = { sleepMs: 3_600_000 };

let fixture: TokenFixture;
const wrongPin = '90817263';

beforeAll(async () => {
  fixture = await TokenFixture.open('P-256');
});
afterEach(async () => {
  const output = await fixture.reset();
  // Whatever went wrong in a test, no PIN got out of it.
  for (const { pin } of [...fixture.tokens, { pin: wrongPin }]) expect(output).not.toContain(pin);
});
afterAll(() => fixture.close());

async function opened(process: SigningProcess): Promise<readonly unknown[]> {
  return (await process.until((told) => told.opened !== undefined, 'opened')).opened ?? [];
}

function signMany(process: SigningProcess, chunks: number): Promise<Told[]> {
  return Promise.all(Array.from({ length: chunks }, () => signBulk(process, aChunk({ count: 4 }))));
}

async function verified(told: readonly Told[]): Promise<number> {
  let count = 0;
  for (const each of told) {
    count += await countVerified(each, fixture.issuer.certificateDer, fixture.folder);
  }
  return count;
}

describe('a token that fails', () => {
  it('is out, its chunks are signed by the other one, and it comes back', async () => {
    const process = fixture.start();
    await opened(process);
    const at = { token: 'east' };
    await fixture.faults.set({ function: 'C_Sign', does: { fail: CKR_DEVICE_ERROR }, at });
    const told = await signMany(process, 6);
    expect(told.map(({ slot }) => slot)).toEqual(Array(6).fill('west'));
    expect(await verified(told)).toBe(24);
    const { health } = await process.ask({ do: 'health' });
    expect(health?.[0]).toMatchObject({ slot: 'east', reason: { code: 'FAULT_HSM_LOST' } });

    const before = process.told.length;
    await fixture.faults.set();
    await process.becomes('east', 'ready', before);
    const after = await signMany(process, 6);
    expect(new Set(after.map(({ slot }) => slot))).toEqual(new Set(['east', 'west']));
    expect(await process.stop()).toEqual({ code: 0, signal: null });
  });

  it.each([
    ['CKR_SESSION_HANDLE_INVALID', 0xb3],
    ['CKR_SESSION_CLOSED', 0xb0],
    ['CKR_USER_NOT_LOGGED_IN', 0x101],
    ['CKR_KEY_HANDLE_INVALID', 0x60],
    ['CKR_DEVICE_REMOVED', 0x32],
    ['CKR_TOKEN_NOT_PRESENT', 0xe0],
  ])('is repaired after %s, and its chunk signed there', async (_, value) => {
    const process = fixture.start({}, [fixture.slot('east')]);
    await opened(process);
    await fixture.faults.set({ function: 'C_Sign', does: { fail: value }, times: 1 });
    expect(await verified(await signMany(process, 1))).toBe(4);
    const { health } = await process.ask({ do: 'health' });
    expect(health).toMatchObject([{ state: 'ready', failures: 0, usage: { repairs: 1 } }]);
  });

  it('is out where the signature fails after the repair too', async () => {
    const process = fixture.start({ restMs: 60_000 }, [fixture.slot('east')]);
    await opened(process);
    await fixture.faults.set({ function: 'C_Sign', does: { fail: 0xb3 } });
    const [told] = await signMany(process, 1);
    expect(told?.fault).toBe('FAULT_HSM_LOST');
    const { health } = await process.ask({ do: 'health' });
    expect(health).toMatchObject([{ state: 'resting', failures: 1 }]);
  });

  it.each(['closeSessions', 'logOut'] as const)(
    'is repaired in every worker that finds it lost (%s)',
    async (loss) => {
      const process = fixture.start({ threadsPerSlot: 2 }, [fixture.slot('east')]);
      await opened(process);
      await signMany(process, 4);
      const { moduleFile } = fixture.faults;
      await process.ask({ do: loss, moduleFile, tokenLabel: 'east' });
      const told = await signMany(process, 8);
      expect(await verified(told)).toBe(32);
      const { health } = await process.ask({ do: 'health' });
      expect(health).toMatchObject([{ state: 'ready', failures: 0 }]);
      expect(health?.[0]?.usage.repairs).toBeGreaterThanOrEqual(1);
    },
  );

  it('halts an issuer whose token holds another key', async () => {
    const other = await TokenFixture.open('P-256', 'P-256');
    const process = other.start();
    const { fault, message } = await process.until((told) => 'fault' in told, 'a fault');
    expect(fault).toBe('FAULT_KEY_MISMATCH');
    expect(message).toContain('slot west');
    expect(await process.ended).toMatchObject({ code: 1 });
    await other.close();
  });
});

describe('a signature that hangs', () => {
  const at = { token: 'east' };
  // Far above what either takes, also on a machine with other work.
  const bounds = { chunkTimeoutMs: 5_000, openTimeoutMs: 8_000 };

  it('ends the process, after the other slot has signed everything, in bounded time', async () => {
    const process = fixture.start(bounds);
    await opened(process);
    await fixture.faults.set({ function: 'C_Sign', does: forEver, at });
    const begunMs = performance.now();
    const told = await signMany(process, 6);
    expect(told.map(({ slot }) => slot)).toEqual(Array(6).fill('west'));
    expect(await verified(told)).toBe(24);
    expect(await process.ended).toEqual({ code: hungExitCode, signal: null });
    expect(performance.now() - begunMs).toBeLessThan(60_000);
    expect(process.told.filter(({ hung }) => hung !== undefined)).toEqual([{ hung: 'east' }]);
  });

  it('keeps its slot out at the next start, the others serve and the process stays', async () => {
    await fixture.faults.set({ function: 'C_Sign', does: forEver, at });
    const process = fixture.start(bounds);
    await opened(process);
    await process.becomes('east', 'hung');
    const told = await signMany(process, 4);
    expect(told.map(({ slot }) => slot)).toEqual(Array(4).fill('west'));
    const { health } = await process.ask({ do: 'health' });
    expect(health).toMatchObject([
      { slot: 'east', state: 'hung', hungThreads: 1, reason: { code: 'FAULT_HSM_LOST' } },
      { slot: 'west', state: 'ready', hungThreads: 0 },
    ]);
    expect(process.told.some(({ hung }) => hung !== undefined)).toBe(false);
    expect(await process.stop()).toEqual({ code: 0, signal: null });
  });

  it.each(['C_Initialize', 'C_Login'] as const)(
    'is found while the slot is opened as well: %s',
    async (call) => {
      await fixture.faults.set({ function: call, does: { sleepMs: 12_000 }, times: 1 });
      const process = fixture.start({ openTimeoutMs: 5_000 }, [fixture.slot('east')]);
      expect(await opened(process)).toMatchObject([{ reason: { code: 'FAULT_HSM_LOST' } }]);
      await process.becomes('east', 'hung');
      // The call returns at last: the thread ends, and the slot is tried again.
      await process.becomes('east', 'ready');
      expect(await verified(await signMany(process, 1))).toBe(4);
      expect(await process.stop()).toEqual({ code: 0, signal: null });
    },
  );
});

describe('a PIN that is refused', () => {
  it('is tried once, whatever workers and slots there are, and never again', async () => {
    // One refusal only: a second try would be let in.
    await fixture.faults.set(
      { function: 'C_Login', does: { fail: CKR_PIN_INCORRECT }, at: { token: 'east' }, times: 1 },
      {
        function: 'C_OpenSession',
        does: { fail: CKR_DEVICE_ERROR },
        at: { token: 'west' },
        times: 4,
      },
    );
    const process = fixture.start({ threadsPerSlot: 3 }, [
      fixture.slot('east'),
      fixture.slot('east', { name: 'east-again' }),
      fixture.slot('west'),
    ]);
    expect(await opened(process)).toMatchObject([
      { slot: 'east', state: 'refused', reason: { code: 'FAULT_HSM_REFUSED' } },
      { slot: 'west', reason: { code: 'FAULT_HSM_LOST' } },
    ]);
    // By then a slot that is tried again was tried several times.
    await process.becomes('west', 'ready');
    const told = await signMany(process, 4);
    expect(told.map(({ slot }) => slot)).toEqual(Array(4).fill('west'));
    const { health } = await process.ask({ do: 'health' });
    expect(health?.map(({ state }) => state)).toEqual(['refused', 'ready']);
  });

  it('keeps a slot out and the process up, though it is the only one', async () => {
    const pinFile = await fixture.hsm.writePinFile('wrong', wrongPin);
    const process = fixture.start({}, [fixture.slot('west', { pinFile })]);
    expect(await opened(process)).toMatchObject([{ state: 'refused' }]);
    const [told] = await signMany(process, 1);
    expect(told).toMatchObject({ fault: 'FAULT_HSM_REFUSED' });
    expect(told?.message).toContain('token west refuses the PIN');
  });

  it('is never tried where it was changed while the login was lost, but once', async () => {
    const pinFile = join(fixture.folder, 'changing.pin');
    writeFileSync(pinFile, fixture.tokens[0]!.pin, { mode: 0o600 });
    const process = fixture.start({ threadsPerSlot: 3 }, [fixture.slot('east', { pinFile })]);
    await opened(process);
    await fixture.faults.set({
      ...{ function: 'C_Login', does: { fail: CKR_PIN_INCORRECT } },
      times: 1,
    });
    const { moduleFile } = fixture.faults;
    await process.ask({ do: 'logOut', moduleFile, tokenLabel: 'east' });
    const told = await signMany(process, 8);
    expect(new Set(told.map(({ fault }) => fault))).toEqual(new Set(['FAULT_HSM_REFUSED']));
    const { health } = await process.ask({ do: 'health' });
    expect(health).toMatchObject([{ state: 'refused' }]);
  });

  it.each([
    ['is open to others', 0o644, '12345678', 'its mode must be 0600'],
    ['is empty', 0o600, '\n', 'holds no PIN'],
  ])('is not even read from a file that %s', async (_, mode, content, message) => {
    const pinFile = join(fixture.folder, `pin-${mode.toString(8)}`);
    writeFileSync(pinFile, content, { mode });
    const process = fixture.start({}, [fixture.slot('east', { pinFile })]);
    const told = await process.until(({ fault }) => fault !== undefined, 'a fault');
    expect(told.fault).toBe('CONFIG_INVALID');
    expect(told.message).toContain(message);
  });

  it('is in no argument, no variable, and not in what workers are started with', async () => {
    const slots = fixture.tokens.map(({ label }) => fixture.slot(label));
    const process = fixture.start({}, slots);
    await opened(process);
    const of = (file: string): string =>
      readFileSync(`/proc/${String(process.pid)}/${file}`, 'utf8');
    const visible = of('cmdline') + of('environ') + JSON.stringify(slots);
    expect(visible).toContain('signing-program.js');
    for (const { pin } of fixture.tokens) expect(visible).not.toContain(pin);
  });
});
