import { planCapacity, planDefaults, type PlanInput } from './plan-capacity.js';

const input: PlanInput = {
  issued: 100_000,
  services: [
    { name: 'ingest', cpuMicroseconds: 20, maxRssBytes: 200e6 },
    { name: 'validate-bulk', cpuMicroseconds: 90, maxRssBytes: 250e6 },
    { name: 'validate-bulk-2', cpuMicroseconds: 10, maxRssBytes: 300e6 },
    { name: 'sign-bulk', cpuMicroseconds: 40, maxRssBytes: 200e6 },
    { name: 'publish-bulk', cpuMicroseconds: 15, maxRssBytes: 150e6 },
  ],
  appendedBytes: {
    'certmill.requests.received.v1.bulk': 450,
    'certmill.requests.validated.v1.bulk': 550,
    'certmill.certificates.issued.v1.bulk': 1_000,
    'certmill.certificates.published.v1': 1,
  },
  machine: { cores: 2, model: 'a machine' },
};

describe('a plan of capacity', () => {
  it('gives each role the cores that the peak costs', () => {
    const plan = planCapacity(input, { ...planDefaults, perDay: 86_400_000, peak: 2 });
    expect(plan.peakPerSecond).toBe(2_000);
    const cores = Object.fromEntries(plan.roles.map(({ role, cores }) => [role, cores]));
    // 2,000 a second of 100 us are a fifth of a core, at 60 % a third of one.
    expect(cores['validate']).toBeCloseTo(1 / 3);
    expect(plan.roles.every(({ processes }) => processes === 2)).toBe(true);
    expect(plan.slots).toBe(2);
    expect(plan.brokers.writtenBytesPerSecond).toBe(2_000 * 2_000 * 3);
    expect(plan.store.bytesPerDay).toBe(86_400_000 * 1_250 * 3);
  });

  it('adds up what the processes of a role read and write, where all of them were measured', () => {
    const measured = input.services.map((each) => ({ ...each, readBytes: 900, writtenBytes: 100 }));
    const services = measured.map((each) =>
      each.name === 'publish-bulk' ? { ...each, writtenBytes: null } : each,
    );
    const plan = planCapacity({ ...input, services }, { ...planDefaults, perDay: 86_400_000 });
    const io = Object.fromEntries(plan.roles.map((each) => [each.role, each.ioBytesPerSecond]));
    expect(io).toEqual({ ingest: 2e6, validate: 4e6, sign: 2e6, publish: null });
    const before = planCapacity(input, { ...planDefaults, perDay: 86_400_000 });
    expect(before.roles.every(({ ioBytesPerSecond }) => ioBytesPerSecond === null)).toBe(true);
  });

  it('says what it assumed', () => {
    const { assumed } = planCapacity(input, { ...planDefaults, perDay: 1e9, peak: 3 });
    expect(assumed).toEqual({ ...planDefaults, peak: 3, journalBytesPerCertificate: 250 });
  });

  it('grows in proportion where one process is not enough', () => {
    const small = planCapacity(input, { ...planDefaults, perDay: 10e9 });
    const large = planCapacity(input, { ...planDefaults, perDay: 20e9 });
    const processesOf = (plan: typeof small): number =>
      plan.roles.find(({ role }) => role === 'validate')?.processes ?? 0;
    expect(processesOf(large)).toBeGreaterThanOrEqual(2 * processesOf(small) - 1);
    expect(large.slots).toBeGreaterThan(small.slots);
    expect(large.partitions).toBeGreaterThan(small.partitions);
    expect(large.store.bytesPerYear).toBeCloseTo(2 * small.store.bytesPerYear);
  });
});
