import { randomBytes } from 'node:crypto';
import { ocspCases, withBroken } from '@certmill/ports/conformance';
import type { OcspStore } from '@certmill/ports';
import { aFleet } from '../testing/a-mongo-store.js';

let fleet: Awaited<ReturnType<typeof aFleet>>;
let store: OcspStore;

beforeAll(async () => {
  fleet = await aFleet();
  store = (await fleet.open()).ocsp;
});

afterAll(() => fleet.close());

const aBatchId = (): string => randomBytes(13).toString('hex');

describe.each(ocspCases)('$name', (rule) => {
  test('it holds', () => rule.run(store, aBatchId()));

  test('a store that breaks it is caught', async () => {
    await expect(rule.run(withBroken(store, rule.broken(store)), aBatchId())).rejects.toThrow();
  });
});
