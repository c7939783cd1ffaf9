import { closeSync, fstatSync, openSync, readSync, writeFileSync } from 'node:fs';
import { geteuid } from 'node:process';
import { CertmillError } from '@certmill/domain';

/** No token takes a longer PIN. */
const maxPinBytes = 1_024;
const groupAndOthers = 0o077;
const allButGroupRead = 0o037;

/**
 * Hands the PIN in `pinFile` to `use` (one trailing line break is not part of it) and wipes what was
 * read. Faults: CONFIG_INVALID where the file cannot be read, is empty, or is open to others.
 */
export function withPin(pinFile: string, use: (pin: string) => void): void {
  keepOutOfCoreFiles();
  const content = Buffer.allocUnsafeSlow(maxPinBytes + 2);
  try {
    const bytes = readPrivately(pinFile, content);
    const pin = content.subarray(0, bytes - lineBreakBytes(content, bytes));
    if (pin.length === 0 || pin.length > maxPinBytes) {
      throw new CertmillError('CONFIG_INVALID', `the PIN file ${pinFile} holds no PIN`);
    }
    // The binding takes text only, which cannot be wiped: it dies with the worker's next collection.
    use(pin.toString('utf8'));
  } finally {
    content.fill(0);
  }
}

/** Throws where `withPin` would. */
export function checkPinFile(pinFile: string): void {
  withPin(pinFile, () => undefined);
}

function readPrivately(pinFile: string, into: Buffer): number {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(pinFile, 'r');
    const { mode, uid } = fstatSync(descriptor);
    // Someone else's file that this user may read through its group is how orchestrators mount secrets.
    const forbidden = uid === geteuid?.() ? groupAndOthers : allButGroupRead;
    if ((mode & forbidden) !== 0) {
      throw new CertmillError(
        'CONFIG_INVALID',
        `the PIN file ${pinFile} is open to others: its mode must be 0600 or less`,
      );
    }
    return readSync(descriptor, into, 0, into.length, 0);
  } catch (cause) {
    if (cause instanceof CertmillError) throw cause;
    throw new CertmillError('CONFIG_INVALID', `the PIN file ${pinFile} cannot be read`, { cause });
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function lineBreakBytes(content: Buffer, end: number): number {
  if (content[end - 1] !== 0x0a) return 0;
  return content[end - 2] === 0x0d ? 2 : 1;
}

/** A core file of this process has no memory in it from here on (core(5), coredump_filter). */
function keepOutOfCoreFiles(): void {
  try {
    writeFileSync('/proc/self/coredump_filter', '0');
  } catch {
    // Not Linux, or /proc is not there: whoever runs it there switches core files off.
  }
}
