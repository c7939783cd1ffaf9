import { generateKeyPairSync } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { makeRunFolder } from '../process/run-folder.js';
import { SoftHsm, type Token } from '../soft-hsm/soft-hsm.js';
import { Pkcs11Faults } from './pkcs11-faults.js';

let folder: string;
let hsm: SoftHsm;
let tokens: readonly Token[];
let faults: Pkcs11Faults;

beforeAll(async () => {
  folder = await makeRunFolder();
  hsm = await SoftHsm.open(join(folder, 'softhsm'));
  const keys = ['one', 'two'].map(async (label) => {
    const token = await hsm.createToken({ label });
    const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    await hsm.importKey({ token, key, label: 'issuing', idHex: '01' });
    return token;
  });
  tokens = await Promise.all(keys);
  faults = await Pkcs11Faults.open(join(folder, 'faults'), hsm.moduleFile);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs in a process of its own: SoftHSM reads its configuration once per process. */
const signer = `
import { readFileSync } from 'node:fs';
import pkcs11js from 'pkcs11js';
const [moduleFile, count, ...tokens] = process.argv.slice(1);
const outcomes = [];
const attempt = (name, action) => {
  const begin = performance.now();
  try { const value = action(); outcomes.push([name, 0, performance.now() - begin]); return value; }
  catch (error) { outcomes.push([name, error.code, performance.now() - begin]); }
};
const module = new pkcs11js.PKCS11();
module.load(moduleFile);
attempt('C_Initialize', () => module.C_Initialize({ flags: 2 }));
for (const token of tokens) {
  const [label, pin] = token.split('=');
  const slot = module.C_GetSlotList(true).find((id) => module.C_GetTokenInfo(id).label.trim() === label);
  const session = attempt('C_OpenSession', () => module.C_OpenSession(slot, 4));
  if (session === undefined) continue;
  attempt('C_Login', () => module.C_Login(session, 1, pin));
  module.C_FindObjectsInit(session, [{ type: 0, value: 3 }]);
  const [key] = module.C_FindObjects(session, 1);
  module.C_FindObjectsFinal(session);
  for (let i = 0; i < Number(count); i += 1) {
    module.C_SignInit(session, { mechanism: 0x1041, parameter: null }, key);
    attempt('C_Sign', () => module.C_Sign(session, Buffer.alloc(32, 1), Buffer.alloc(64)));
  }
}
console.log(JSON.stringify(outcomes));
`;

type Outcome = [name: string, code: number, ms: number];

function signIn(count: number, ...labels: readonly string[]): readonly Outcome[] {
  const chosen = tokens.filter(({ label }) => labels.includes(label));
  const output = execFileSync(
    process.execPath,
    [
      ...['--input-type=module', '-e', signer, faults.moduleFile, String(count)],
      ...chosen.map(({ label, pin }) => `${label}=${pin}`),
    ],
    {
      cwd: import.meta.dirname,
      env: { ...process.env, ...hsm.environment, ...faults.environment },
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  return JSON.parse(output.toString()) as Outcome[];
}

function codes(outcomes: readonly Outcome[]): readonly string[] {
  return outcomes.map(([name, code]) => `${name} ${code.toString(16)}`);
}

const opened = ['C_Initialize 0', 'C_OpenSession 0', 'C_Login 0'];

test('without faults every call reaches the module', async () => {
  await faults.set();
  expect(codes(signIn(2, 'one'))).toEqual([...opened, 'C_Sign 0', 'C_Sign 0']);
});

test('the named call fails as often as it is told, in the named token', async () => {
  await faults.set({
    function: 'C_Sign',
    does: { fail: 0xb3 },
    at: { token: 'two' },
    times: 1,
  });
  expect(codes(signIn(2, 'one', 'two'))).toEqual([
    ...[...opened, 'C_Sign 0', 'C_Sign 0'],
    ...['C_OpenSession 0', 'C_Login 0', 'C_Sign b3', 'C_Sign 0'],
  ]);
});

test('the first fault that fits counts', async () => {
  await faults.set(
    { function: 'C_Sign', does: { fail: 0x30 }, times: 1 },
    { function: 'C_Sign', does: { fail: 0x32 } },
  );
  expect(codes(signIn(3, 'one'))).toEqual([...opened, 'C_Sign 30', 'C_Sign 32', 'C_Sign 32']);
});

test('a call that sleeps comes through afterwards', async () => {
  await faults.set({ function: 'C_Login', does: { sleepMs: 2_000 } });
  const outcomes = signIn(1, 'one');
  expect(codes(outcomes)).toEqual([...opened, 'C_Sign 0']);
  expect(outcomes[2]?.[2]).toBeGreaterThanOrEqual(1_999);
  expect(outcomes[3]?.[2]).toBeLessThan(1_999);
});

test('a session cannot be opened in a slot that fails there', async () => {
  await faults.set({ function: 'C_OpenSession', does: { fail: 0xe0 }, at: { token: 'one' } });
  expect(codes(signIn(1, 'one'))).toEqual(['C_Initialize 0', 'C_OpenSession e0']);
});

test.each(['C_Sign fail', 'C_Sign fail x', 'C_Sign explode 1', 'C_Sign fail 1 slot', 'C_Sign'])(
  'a line that is no command fails every call: %s',
  async (line) => {
    await faults.set();
    writeFileSync(faults.environment['CERTMILL_FAULTS_CONTROL']!, `${line}\n`);
    expect(codes(signIn(0))).toEqual(['C_Initialize 7']);
  },
);

test('a fault for a label with blanks is refused', async () => {
  const at = { token: 'a b' };
  await expect(faults.set({ function: 'C_Sign', does: { fail: 0x30 }, at })).rejects.toMatchObject({
    code: 'INVALID_INPUT',
  });
});
