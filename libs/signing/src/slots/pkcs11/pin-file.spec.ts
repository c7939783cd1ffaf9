import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isCertmillError } from '@certmill/domain';
import { withPin } from './pin-file.js';

const folder = mkdtempSync(join(tmpdir(), 'certmill-pin-'));
const file = join(folder, 'pin');
afterAll(() => rmSync(folder, { recursive: true }));

function pinIn(content: string, mode = 0o600): string {
  writeFileSync(file, content);
  chmodSync(file, mode);
  let read = '';
  withPin(file, (pin) => (read = pin));
  return read;
}

function refusalOf(attempt: () => unknown): string {
  try {
    attempt();
  } catch (error) {
    return isCertmillError(error) ? `${error.code}: ${error.message}` : String(error);
  }
  return 'nothing';
}

describe('withPin', () => {
  it.each([
    ['4711', '4711'],
    ['4711\n', '4711'],
    ['4711\r\n', '4711'],
    ['4711\n\n', '4711\n'],
    [' 47 11 ', ' 47 11 '],
    ['geheim-äöü', 'geheim-äöü'],
    ['9'.repeat(1_024), '9'.repeat(1_024)],
  ])('reads %j as %j', (content, pin) => {
    expect(pinIn(content)).toBe(pin);
  });

  it.each([0o400, 0o600])('takes a file of mode %i', (mode) => {
    expect(pinIn('4711', mode)).toBe('4711');
    chmodSync(file, 0o600);
  });

  it.each([0o640, 0o644, 0o604, 0o660, 0o602])('refuses a file of mode %i', (mode) => {
    expect(refusalOf(() => pinIn('4711', mode))).toBe(
      `CONFIG_INVALID: the PIN file ${file} is open to others: its mode must be 0600 or less`,
    );
  });

  it.each(['', '\n', '9'.repeat(1_025)])('refuses a file without a PIN', (content) => {
    expect(refusalOf(() => pinIn(content))).toBe(
      `CONFIG_INVALID: the PIN file ${file} holds no PIN`,
    );
  });

  it('refuses a file that is not there', () => {
    const missing = join(folder, 'missing');
    expect(refusalOf(() => withPin(missing, () => undefined))).toBe(
      `CONFIG_INVALID: the PIN file ${missing} cannot be read`,
    );
  });
});
