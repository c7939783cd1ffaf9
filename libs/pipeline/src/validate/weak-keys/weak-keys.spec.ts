import { generateKeyPairSync, generatePrimeSync, hash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCertificationRequestWalk, walkCertificationRequest } from '@certmill/der';
import { isCertmillError } from '@certmill/domain';
import { aCsr, derOf, rsaSpki } from '../testing/a-csr.js';
import { Blocklist, readBlocklist } from './blocklist.js';
import { isSmallOrderPoint } from './ed25519-small-order.js';
import { fermatRounds, floorSqrt, hasCloseFactors } from './fermat.js';
import { primesBelow, productOf } from './primes.js';
import { isRocaModulus } from './roca.js';
import { rsaWeaknessOf } from './rsa-weakness.js';
import { smallFactorOf } from './small-factors.js';

const testData = new URL('../../../test-data/validate/weak-keys/', import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, testData), 'utf8');

function weaknessOf(modulus: bigint, exponent?: bigint): string | undefined {
  const request = aCsr({ spki: rsaSpki(modulus, exponent) });
  const walk = createCertificationRequestWalk();
  expect(walkCertificationRequest(request, 0, request.length, walk)).toBe(true);
  return rsaWeaknessOf(request, walk);
}

function modulusIn(der: Buffer): bigint {
  const walk = createCertificationRequestWalk();
  expect(walkCertificationRequest(der, 0, der.length, walk)).toBe(true);
  return BigInt(`0x${der.toString('hex', walk.modulusStart, walk.modulusEnd)}`);
}

const primeOf = (bits: number): bigint => generatePrimeSync(bits, { bigint: true });

function isProbablyPrime(candidate: bigint): boolean {
  let power = 1n;
  for (let bits = candidate - 1n, base = 2n; bits > 0n; bits >>= 1n) {
    if (bits & 1n) power = (power * base) % candidate;
    base = (base * base) % candidate;
  }
  return power === 1n;
}

function nextPrime(start: bigint): bigint {
  let candidate = start | 1n;
  while (!isProbablyPrime(candidate)) candidate += 2n;
  return candidate;
}

/** A prime as the vulnerable library made them: k * M + (65537^a mod M). */
function rocaPrime(bits: number, seed: bigint): bigint {
  const m = productOf(primesBelow(168));
  let power = 1n;
  for (let i = 0n; i < seed; i += 1n) power = (power * 65_537n) % m;
  for (let k = (1n << BigInt(bits)) / m; ; k += 1n) {
    const candidate = k * m + power;
    if (isProbablyPrime(candidate)) return candidate;
  }
}

const sound = BigInt(
  `0x${Buffer.from(
    generateKeyPairSync('rsa', { modulusLength: 2_048 }).publicKey.export({ format: 'jwk' }).n ??
      '',
    'base64url',
  ).toString('hex')}`,
);

describe('rsaWeaknessOf', () => {
  it('finds nothing wrong with sound keys', () => {
    expect(weaknessOf(sound)).toBeUndefined();
    expect(weaknessOf(sound, (1n << 255n) + 1n)).toBeUndefined();
  });

  it.each([
    ['an even exponent', sound, 65_536n, /even/],
    ['exponent 3', sound, 3n, /exponent is 3/],
    ['an exponent of more than 256 bits', sound, (1n << 256n) + 1n, /256 bits/],
    ['an even modulus', sound + 1n, 65_537n, /modulus is even/],
    ['a factor 3', (sound / 3n) * 3n + (((sound / 3n) & 1n) === 0n ? 3n : 0n), 65_537n, /by 3/],
    ['a factor 4093', primeOf(2_036) * 4_093n, 65_537n, /by 4093/],
  ])('refuses %s', (_, modulus, exponent, expected) => {
    expect(weaknessOf(modulus, exponent)).toMatch(expected);
  });
});

describe('smallFactorOf', () => {
  it('finds each prime below the bound, alone and among others, and no prime above it', () => {
    const large = primeOf(1_024);
    for (const prime of primesBelow(4_096)) {
      expect(smallFactorOf(large * BigInt(prime))).toBe(prime);
    }
    expect([3, 5]).toContain(smallFactorOf(large * 15n));
    expect(smallFactorOf(large * 4_099n)).toBe(0);
  });
});

describe('hasCloseFactors', () => {
  it('finds neighbouring primes and a prime squared', () => {
    const prime = primeOf(1_024);
    expect(hasCloseFactors(prime * nextPrime(prime + 2n))).toBe(true);
    expect(hasCloseFactors(prime * prime)).toBe(true);
  });

  it('looks ahead exactly as many rounds as it says', () => {
    // p and q = p + 2d: round r (from 0) tests a = ceil(sqrt(n)) + r, and (p + q) / 2 = a.
    const p = nextPrime(1n << 512n);
    const roundsNeeded = (d: bigint): number => {
      const n = p * (p + 2n * d);
      let ceiling = floorSqrt(n);
      if (ceiling * ceiling < n) ceiling += 1n;
      return Number(p + d - ceiling) + 1;
    };
    let d = floorSqrt(p) * 14n;
    while (roundsNeeded(d) < fermatRounds) d += floorSqrt(p) / 1_000n;
    expect(roundsNeeded(d)).toBe(fermatRounds);
    expect(hasCloseFactors(p * (p + 2n * d))).toBe(true);
    while (roundsNeeded(d) <= fermatRounds) d += floorSqrt(p) / 1_000n;
    expect(hasCloseFactors(p * (p + 2n * d))).toBe(false);
  });

  it('lets sound keys pass', () => {
    expect(hasCloseFactors(sound)).toBe(false);
  });

  it('takes exact square roots', () => {
    for (const value of [0n, 1n, 2n, 3n, 4n, 15n, 16n, 17n, sound]) {
      const root = floorSqrt(value);
      expect(root * root <= value && (root + 1n) * (root + 1n) > value).toBe(true);
    }
  });
});

describe('isRocaModulus', () => {
  it('recognises the published vulnerable key', () => {
    expect(isRocaModulus(modulusIn(derOf(read('roca-vulnerable.csr.pem'))))).toBe(true);
  });

  it('recognises products of primes of the vulnerable form', () => {
    expect(isRocaModulus(rocaPrime(512, 1_234n) * rocaPrime(512, 98_765n))).toBe(true);
  });

  it('lets sound keys pass, the published ones that have all marks by chance among them', () => {
    expect(isRocaModulus(sound)).toBe(false);
    const chance = read('roca-marked-but-sound.txt').trim().split('\n');
    expect(chance).toHaveLength(4);
    for (const modulus of chance) expect(isRocaModulus(BigInt(modulus))).toBe(false);
    const published = derOf(read('roca-sound.pub.pem'));
    expect(isRocaModulus(BigInt(`0x${published.toString('hex', 33, 33 + 256)}`))).toBe(false);
  });

  it('lets a vulnerable prime times a sound one pass: the mark is of the product', () => {
    expect(isRocaModulus(rocaPrime(512, 1_234n) * primeOf(512))).toBe(false);
  });
});

describe('isSmallOrderPoint', () => {
  it('knows the neutral point with either sign, and no real key', () => {
    const neutral = Buffer.alloc(40);
    neutral[4] = 1;
    expect(isSmallOrderPoint(neutral, 4)).toBe(true);
    neutral[35] = 0x80;
    expect(isSmallOrderPoint(neutral, 4)).toBe(true);
    neutral[20] = 1;
    expect(isSmallOrderPoint(neutral, 4)).toBe(false);
  });
});

describe('readBlocklist', () => {
  const directory = mkdtempSync(join(tmpdir(), 'certmill-blocklist-'));
  afterAll(() => {
    rmSync(directory, { recursive: true });
  });
  const write = (text: string): string => {
    const file = join(directory, 'blocklist.txt');
    writeFileSync(file, text);
    return file;
  };

  /** The message of the CONFIG_INVALID that a file is refused with. */
  const refusalOf = (file: string): string => {
    try {
      readBlocklist(file);
    } catch (error) {
      return isCertmillError(error) && error.code === 'CONFIG_INVALID' ? error.message : 'other';
    }
    return 'accepted';
  };

  it('knows a real weak key of Debian and not its neighbours', () => {
    const blocklist = readBlocklist(new URL('blocklist.txt', testData).pathname);
    const udid = hash('sha256', derOf(read('debian-weak.pub.pem')), 'buffer');
    expect(blocklist.size).toBe(1);
    expect(blocklist.has(udid)).toBe(true);
    for (let index = 0; index < 32; index += 1) {
      const other = Buffer.from(udid);
      other[index] = (other[index] ?? 0) ^ 1;
      expect(blocklist.has(other)).toBe(false);
    }
  });

  it('reads 100,000 hashes in any order, over block borders, and shares them between threads', () => {
    const hashes = Array.from({ length: 100_000 }, (_, i) => hash('sha256', String(i), 'hex'));
    const blocklist = readBlocklist(write(`# all\r\n${hashes.join('\r\n')}`));
    expect(blocklist.size).toBe(100_000);
    expect(blocklist.table.hashes.buffer).toBeInstanceOf(SharedArrayBuffer);
    const posted = new Blocklist(structuredClone(blocklist.table));
    for (let index = 0; index < 100_000; index += 97) {
      expect(posted.has(Buffer.from(`00${hashes[index] ?? ''}`, 'hex'), 1)).toBe(true);
      expect(posted.has(hash('sha256', `x${String(index)}`, 'buffer'))).toBe(false);
    }
  });

  it('takes an empty list, upper case and comments', () => {
    expect(readBlocklist(write('')).size).toBe(0);
    const one = hash('sha256', 'one', 'hex').toUpperCase();
    expect(readBlocklist(write(`\n  ${one}  # why\n#\n`)).size).toBe(1);
  });

  it.each([
    ['a short line', `${'ab'.repeat(32)}\n${'ab'.repeat(31)}\n`, /blocklist\.txt:2: expected/],
    ['no hex', 'zz'.repeat(32), /blocklist\.txt:1: expected/],
  ])('refuses %s with its place', (_, text, expected) => {
    const file = write(text);
    expect(refusalOf(file)).toMatch(expected);
  });

  it('refuses a file that is not there', () => {
    expect(refusalOf(join(directory, 'absent'))).toMatch(/cannot be read/);
  });
});
