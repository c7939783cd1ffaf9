import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSigningPools, type SigningPools } from './sign/open-signing-pools.js';
import type { SigningIssuer } from './sign/signing-issuer.js';
import { softwareSlot } from './slots/software-slot.js';
import { aChunk, tlsClientText } from './testing/a-chunk.js';
import { aCaCertificate } from './testing/an-issuer.js';
import { KeyEncryptor } from './testing/encrypted-key-files.js';

/**
 * Run by hand: `node libs/signing/dist/many-issuers.bench.js [issuers] [seconds per figure] [rounds]`.
 * Issuers with a P-256 key file each, of one passphrase and salt at 600,000 iterations. Told: the start
 * with all of them and with one; one bulk worker signing chunks of 256 of one issuer, and each chunk of
 * another issuer, in turn round by round; the memory; and one chunk of an issuer whose file has a salt of
 * its own, beside enrolments of another.
 */
const issuerCount = Number(process.argv[2] ?? 10_000);
const secondsEach = Number(process.argv[3] ?? 5);
const rounds = Number(process.argv[4] ?? 3);
const count = 256;
const iterations = 600_000;
const passphrase = 'correct horse battery staple 7731';

const folder = mkdtempSync(join(tmpdir(), 'certmill-many-issuers-'));
const passphraseFile = join(folder, 'passphrase');
writeFileSync(passphraseFile, passphrase);
const common = new KeyEncryptor(passphrase, iterations);

/** All of one length, so that a chunk of one can be made a chunk of another in place. */
function nameOf(index: number): string {
  return `issuer-${String(index).padStart(6, '0')}`;
}

function anIssuer(index: number, encryptor: KeyEncryptor): SigningIssuer {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const name = nameOf(index);
  const keyFile = join(folder, `${name}.p8`);
  writeFileSync(keyFile, encryptor.encrypt(privateKey));
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const slot = softwareSlot({
    name: `${name}-file`,
    keyFile,
    passphrase: { file: passphraseFile },
  });
  return { name, chainDer: [aCaCertificate(privateKey, spki)], slots: [slot] };
}

const issuers = Array.from({ length: issuerCount }, (_, i) => anIssuer(i, common));
const chunkOf = (requests: number): ReturnType<typeof aChunk> =>
  aChunk({ count: requests, received: { issuer: nameOf(0) } });
const large = chunkOf(count);
const single = chunkOf(1);

function ofIssuer(received: Uint8Array, index: number): Uint8Array {
  const copy = Buffer.from(received);
  copy.write(nameOf(index), copy.indexOf(nameOf(0)));
  return copy;
}

async function open(used: readonly SigningIssuer[]): Promise<[SigningPools, number]> {
  const begunMs = performance.now();
  const pools = await openSigningPools({
    issuers: used,
    profiles: () => tlsClientText,
    serialKeys: [{ id: 1, key: Buffer.alloc(16, 7) }],
    threadsPerSlot: 1,
  });
  return [pools, performance.now() - begunMs];
}

let next = 0;
const figures = {
  'one issuer': () => 0,
  'each chunk another issuer': () => (next = (next + 1) % issuerCount),
};

/** Microseconds of the clock, and of the CPU of all threads, for a certificate. */
async function measured(pools: SigningPools, indexOf: () => number): Promise<[number, number]> {
  const begunMs = performance.now();
  const cpu = process.cpuUsage();
  let done = 0;
  const lane = async (): Promise<void> => {
    while (performance.now() - begunMs < secondsEach * 1e3) {
      await pools.sign(ofIssuer(large.received, indexOf()), large.verdict, 'bulk');
      done += count;
    }
  };
  await Promise.all([lane(), lane(), lane()]);
  const { user, system } = process.cpuUsage(cpu);
  return [((performance.now() - begunMs) * 1e3) / done, (user + system) / done];
}

const median = (values: readonly number[]): number =>
  values.toSorted((left, right) => left - right)[values.length >> 1] ?? Number.NaN;
const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;

console.log(
  `${String(cpus()[0]?.model)}, ${String(availableParallelism())} CPUs, load ${loadavg().join(' ')}`,
);
for (const used of [issuers.slice(0, 1), issuers]) {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const [pools, startMs] = await open(used);
    times.push(startMs);
    await pools.stop(1_000);
  }
  console.log(`start with ${String(used.length)} issuers: ${median(times).toFixed(0)} ms median`);
}

const [pools] = await open(issuers);
const before = process.memoryUsage.rss();
const clock = new Map<string, number[]>();
const cpu = new Map<string, number[]>();
for (let round = 0; round < rounds; round++) {
  const names = Object.keys(figures) as (keyof typeof figures)[];
  for (const name of round % 2 === 0 ? names : names.toReversed()) {
    const [clockUs, cpuUs] = await measured(pools, figures[name]);
    clock.set(name, [...(clock.get(name) ?? []), clockUs]);
    cpu.set(name, [...(cpu.get(name) ?? []), cpuUs]);
  }
}
for (const [name, values] of clock) {
  console.log(
    `${name.padEnd(26)} ${median(values).toFixed(1)} us, ` +
      `${median(cpu.get(name) ?? []).toFixed(1)} us of CPU a certificate (medians)`,
  );
}
console.log(
  `memory: ${mebibytes(before)} before the first chunk, ${mebibytes(process.memoryUsage.rss())} after ` +
    `chunks of ${String(Math.min(next, issuerCount))} issuers`,
);
await pools.stop(1_000);

const salted = anIssuer(issuerCount, new KeyEncryptor(passphrase, iterations));
const [few] = await open([...issuers.slice(0, 16), salted]);
await few.sign(single.received, single.verdict, 'interactive');
const firstMs = performance.now();
const during = { isOver: false };
const opening = few
  .sign(ofIssuer(large.received, issuerCount), large.verdict, 'bulk')
  .finally(() => {
    during.isOver = true;
  });
let slowest = 0;
const enrolments = async (): Promise<void> => {
  while (!during.isOver) {
    const begunMs = performance.now();
    await few.sign(single.received, single.verdict, 'interactive');
    slowest = Math.max(slowest, performance.now() - begunMs);
  }
};
await Promise.all([opening, enrolments()]);
console.log(
  `first bulk chunk of a key with a salt of its own: ${(performance.now() - firstMs).toFixed(0)} ms; ` +
    `slowest enrolment beside it ${slowest.toFixed(1)} ms`,
);
await few.stop(1_000);
rmSync(folder, { recursive: true });
