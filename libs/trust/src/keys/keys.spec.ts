import { execFileSync } from 'node:child_process';
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  concatBytes,
  encodeAlgorithmIdentifier,
  encodeInteger,
  encodeOctetString,
  encodeSequence,
  encodeTlv,
  oids,
} from '@certmill/der';
import { isCertmillError } from '@certmill/domain';
import { decryptPrivateKey, encryptPrivateKey, saltOf } from './encrypted-private-key.js';
import { issuerKeyTypeOf } from './key-types.js';
import { findPassphrase, readPassphrase } from './passphrase.js';
import { addSerialKey, findSerialKeys, openSerialKeys } from './serial-keys.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'certmill-keys-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('encryptPrivateKey', () => {
  it('says PBKDF2 with SHA-256, 600,000 rounds and AES-256-CBC, and comes back the same', async () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    const der = privateKey.export({ format: 'der', type: 'pkcs8' });
    const pem = await encryptPrivateKey(der, 'p\u00e4ss');
    const body = Buffer.from(pem.replace(/-----[^-]+-----|\n/g, ''), 'base64').toString('hex');
    expect(body).toContain('02030927c0');
    expect(body).toContain('06082a864886f70d0209');
    expect(body).toContain('060960864801650304012a');
    const back = decryptPrivateKey(pem, 'p\u00e4ss', 'the key');
    expect(back.export({ format: 'der', type: 'pkcs8' })).toEqual(der);
  });

  it('derives one key for all that has one salt, and never one for another passphrase', async () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    const pkcs8 = () => privateKey.export({ format: 'der', type: 'pkcs8' });
    const first = await encryptPrivateKey(pkcs8(), 'right');
    const before = process.cpuUsage();
    const second = await encryptPrivateKey(pkcs8(), 'right', saltOf(first));
    for (const pem of [first, second]) {
      expect(decryptPrivateKey(pem, 'right', 'the key').equals(privateKey)).toBe(true);
    }
    const shared = process.cpuUsage(before).user;
    const wrong = process.cpuUsage();
    expect(() => decryptPrivateKey(second, 'wrong', 'the key')).toThrow(/cannot be decrypted/);
    expect(shared).toBeLessThan(process.cpuUsage(wrong).user / 2);
    const file = join(folder, 'key.pem');
    writeFileSync(file, second);
    const read = (secret: string) =>
      execFileSync('openssl', ['pkey', '-in', file, '-passin', `pass:${secret}`], {
        stdio: 'pipe',
      });
    expect(createPrivateKey(read('right')).equals(privateKey)).toBe(true);
    expect(() => read('wrong')).toThrow();
  });

  it('still opens what it derived before others, which is kept no longer', async () => {
    const pkcs8 = generateKeyPairSync('ed25519').privateKey.export({
      format: 'der',
      type: 'pkcs8',
    });
    const first = await encryptPrivateKey(Buffer.from(pkcs8), 'right');
    const others = ['a', 'b', 'c', 'd'].map((other) => encryptPrivateKey(pkcs8, other));
    const [a = ''] = await Promise.all(others);
    for (const [pem, passphrase] of [
      [first, 'right'],
      [a, 'a'],
    ] as const) {
      const back = decryptPrivateKey(pem, passphrase, 'the key');
      expect(back.export({ format: 'der', type: 'pkcs8' })).toEqual(pkcs8);
    }
  });

  it('refuses text that is no key', () => {
    expect(() => decryptPrivateKey('hello', 'x', 'file.pem')).toThrow('file.pem holds no PEM');
  });
});

/** `ML-DSA-44-PrivateKey ::= CHOICE { seed [0], expandedKey, both SEQUENCE }` (RFC 9881 6). */
describe('an ML-DSA key', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ml-dsa-44');
  const whole = privateKey.export({ format: 'der', type: 'pkcs8' });
  // OpenSSL writes both: the seed of 32 octets, then the expanded key of 2,560, which ends the file.
  const expanded = whole.subarray(-2_560);
  const seed = whole.subarray(-2_560 - 4 - 32, -2_560 - 4);
  const another = Buffer.from(seed).fill(7, 0, 1);
  const pkcs8 = (choice: Uint8Array): Uint8Array =>
    encodeSequence(
      encodeInteger(0),
      encodeAlgorithmIdentifier(oids.id_ml_dsa_44),
      encodeOctetString(choice),
    );
  const both = (first: Uint8Array): Uint8Array =>
    encodeSequence(encodeOctetString(first), encodeOctetString(expanded));

  it.each([
    ['its seed alone', encodeTlv(0x80, seed)],
    ['its expanded form alone', encodeOctetString(expanded)],
    ['both', both(seed)],
  ])('is read from %s and stays the same key, encrypted anew', async (_, choice) => {
    const once = decryptPrivateKey(await encryptPrivateKey(pkcs8(choice), 'a'), 'a', 'the key');
    const again = once.export({ format: 'der', type: 'pkcs8' });
    const back = decryptPrivateKey(await encryptPrivateKey(again, 'b'), 'b', 'the key');
    expect(issuerKeyTypeOf(back)).toBe('ml-dsa-44');
    expect(createPublicKey(back).equals(publicKey)).toBe(true);
  });

  it.each([
    ['a seed that is not that of its expanded form', both(another)],
    ['a seed that is too short', encodeTlv(0x80, seed.subarray(1))],
    ['an expanded form that is cut', encodeOctetString(expanded.subarray(1))],
    ['octets behind it', concatBytes([both(seed), Uint8Array.of(5, 0)])],
  ])('is refused with %s, and the message holds nothing of it', async (_, choice) => {
    const pem = await encryptPrivateKey(pkcs8(choice), 'a');
    const refusal = errorOf(() => decryptPrivateKey(pem, 'a', 'the key'));
    expect(isCertmillError(refusal) && refusal.code).toBe('INVALID_INPUT');
    expect(JSON.stringify([refusal, String(refusal)])).not.toContain(seed.toString('hex', 1, 8));
  });
});

function errorOf(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('issuerKeyTypeOf', () => {
  it.each([
    ['rsa', { modulusLength: 1_024 }, 'RSA with 1024 bits'],
    ['ec', { namedCurve: 'secp256k1' }, 'secp256k1'],
  ] as const)('refuses %s that is weak or unusual', (type, options, message) => {
    const { publicKey } = generateKeyPairSync(type as 'rsa', options as { modulusLength: number });
    expect(() => issuerKeyTypeOf(publicKey)).toThrow(message);
  });
});

describe('the passphrase', () => {
  const fileOf = () => join(folder, 'ca', 'development-passphrase');

  it('comes from the file of the environment first, without its line end', async () => {
    const file = join(folder, 'secret');
    writeFileSync(file, 'open sesame\r\n');
    const environment = { CERTMILL_CA_PASSPHRASE_FILE: file, CERTMILL_CA_PASSPHRASE: 'other' };
    const source = await findPassphrase({ environment, developmentFile: fileOf() });
    expect(source).toEqual({ file });
    expect(await readPassphrase(source, environment)).toBe('open sesame');
  });

  it('comes from the environment next', async () => {
    const environment = { CERTMILL_CA_PASSPHRASE: 'inline words' };
    const source = await findPassphrase({ environment, developmentFile: fileOf() });
    expect(await readPassphrase(source, environment)).toBe('inline words');
  });

  it('is made at random for development, with a loud note that does not hold it', async () => {
    const notes: string[] = [];
    const options = {
      environment: {},
      developmentFile: fileOf(),
      createDevelopmentFile: true,
      warn: (message: string) => notes.push(message),
    };
    const source = await findPassphrase(options);
    const passphrase = await readPassphrase(source, {});
    expect(passphrase.length).toBeGreaterThanOrEqual(32);
    expect(statSync(fileOf()).mode & 0o777).toBe(0o600);
    expect(notes).toHaveLength(1);
    expect(notes[0]).toContain('DEVELOPMENT ONLY');
    expect(notes[0]).not.toContain(passphrase);
    expect(await findPassphrase(options)).toEqual(source);
    expect(await readPassphrase(source, {})).toBe(passphrase);
    expect(notes).toHaveLength(1);
  });

  it('is missed with the names of the settings', async () => {
    const missing = findPassphrase({ environment: {}, developmentFile: fileOf() });
    await expect(missing).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    await expect(missing).rejects.toThrow('CERTMILL_CA_PASSPHRASE_FILE');
  });

  it('is refused where the file is empty or not there', async () => {
    const file = join(folder, 'empty');
    writeFileSync(file, '\n');
    await expect(readPassphrase({ file }, {})).rejects.toThrow('is empty');
    await expect(readPassphrase({ file: join(folder, 'none') }, {})).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
    });
  });
});

describe('serial keys', () => {
  it('are made once, also by eight at the same time', async () => {
    const opened = await Promise.all(Array.from({ length: 8 }, async () => openSerialKeys(folder)));
    const keys = opened.map(({ current }) => Buffer.from(current.key).toString('hex'));
    expect(new Set(keys).size).toBe(1);
    expect(opened[0]?.current.id).toBe(1);
    expect(opened[0]?.current.key).toHaveLength(16);
    expect(statSync(join(folder, 'serial-keys.json')).mode & 0o777).toBe(0o600);
  });

  it('are not made by looking', async () => {
    expect(await findSerialKeys(folder)).toBeUndefined();
    expect(await findSerialKeys(folder)).toBeUndefined();
  });

  it('get a new current one and keep the old for look-ups, up to id 127', async () => {
    const first = await openSerialKeys(folder);
    const second = await addSerialKey(folder);
    expect(second.current.id).toBe(2);
    expect(second.all[0]).toEqual(first.current);
    const file = join(folder, 'serial-keys.json');
    writeFileSync(file, readFileSync(file, 'utf8').replace('"id": 2', '"id": 127'));
    await expect(addSerialKey(folder)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
  });

  it.each([
    ['no JSON', (text: string) => text.slice(0, -5)],
    ['an id of 128', (text: string) => text.replace('"id": 1', '"id": 128')],
    ['a short key', (text: string) => text.replace(/"keyHex": "../, '"keyHex": "')],
    ['a later format', (text: string) => text.replace('"formatVersion": 1', '"formatVersion": 9')],
  ])('are refused with %s, and the message holds no key', async (_, damage) => {
    const { current } = await openSerialKeys(folder);
    const file = join(folder, 'serial-keys.json');
    writeFileSync(file, damage(readFileSync(file, 'utf8')));
    const opening = openSerialKeys(folder);
    await expect(opening).rejects.toMatchObject({ code: 'FAULT_STORE_CORRUPT' });
    await expect(opening).rejects.not.toThrow(Buffer.from(current.key).toString('hex').slice(2));
  });
});
