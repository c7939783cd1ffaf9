import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadAuthorities } from './load-issuers.js';
import { openAuthority } from './open-authority.js';

interface Run {
  readonly command: 'root' | 'issue' | 'renew';
  /** Durable steps that were done. */
  readonly count: number;
  readonly folder: string;
  readonly first: string;
  /** CAs that were there then. */
  readonly seen: readonly string[];
  /** What came of the same command once more. */
  readonly again: string;
}

const program = join(import.meta.dirname, 'testing/stop-at-each-step.js');
let folder: string;
let runs: readonly Run[];
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'certmill-stopped-'));
  const output = execFileSync(process.execPath, [program, folder], { encoding: 'utf8' });
  runs = output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Run);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const of = (command: Run['command']): readonly Run[] => {
  const found = runs.filter((run) => run.command === command);
  expect(found.map(({ count }) => count)).toEqual(found.map((_, index) => index));
  expect(found.map(({ first }) => first).slice(0, -1)).not.toContain('done');
  expect(found.at(-1)?.first).toBe('done');
  return found;
};
const passphrase = 'only for this test';

/** Serial numbers of what a CA has signed, by its record. */
function issuedBy(data: string, name: string): readonly string[] {
  const directory = join(data, 'ca', name, 'issued');
  const files = existsSync(directory) ? readdirSync(directory) : [];
  return files
    .filter((file) => file.endsWith('.pem') && !file.startsWith('.'))
    .map((file) => new X509Certificate(readFileSync(join(directory, file))).serialNumber);
}

describe.each([
  ['root', 'root', ['root']],
  ['issue', 'oem', ['root', 'oem']],
] as const)('ca %s that is killed at any step', (command, name, expected) => {
  it('leaves the CA whole or not at all, and typed again it makes it or says that it is there', async () => {
    const found = of(command);
    expect(found.length).toBeGreaterThan(5);
    for (const { folder: data, seen, again } of found) {
      const wasThere = seen.includes(name);
      expect(again).toBe(wasThere ? `a CA named '${name}' is there already` : 'done');
      const authorities = await loadAuthorities(data);
      expect(authorities.map((ca) => ca.name)).toEqual(expected);
      // Its key opens, and fits.
      await openAuthority({ directory: data, name, passphrase }, Date.now());
      const left = readdirSync(join(data, 'ca')).filter((one) => one.endsWith('.tmp'));
      expect(left).toEqual([]);
      if (command === 'issue') {
        expect(existsSync(join(data, 'serial-keys.json'))).toBe(true);
        const [, oem] = authorities;
        const serials = issuedBy(data, 'root').map((serial) => serial.toLowerCase());
        expect(serials).toContain(oem?.serialNumberHex);
        expect(new Set(serials).size).toBe(serials.length);
      }
    }
    expect(found.map(({ seen }) => seen.includes(name))).toEqual(
      expect.arrayContaining([true, false]),
    );
  });
});

describe('ca renew that is killed at any step', () => {
  it('leaves sound chains, and typed again every chain has the certificate in force', async () => {
    const found = of('renew');
    expect(found.length).toBeGreaterThan(8);
    for (const { folder: data, seen, again } of found) {
      expect([seen, again]).toEqual([['root', 'factory', 'oem'], 'done']);
      const [, factory, oem] = await loadAuthorities(data);
      expect(factory?.chainDer.slice(1)).toEqual(oem?.chainDer);
      const own = new X509Certificate(readFileSync(join(data, 'ca/oem/certificate.pem')));
      expect(Uint8Array.from(own.raw)).toEqual(oem?.chainDer[0]);
      const serials = issuedBy(data, 'root');
      expect(new Set(serials).size).toBe(serials.length);
      expect(serials).toContain(own.serialNumber);
    }
  });
});
