import { describeRevocations, describeStores } from '@certmill/ports/conformance';
import { aFleet } from './testing/a-mongo-store.js';

describeStores('the MongoDB store', async () => {
  const fleet = await aFleet();
  return { stores: await fleet.open(), close: () => fleet.close() };
});

describeRevocations('revocations and audit of the MongoDB store', async () => {
  const fleet = await aFleet();
  return { stores: await fleet.open(), close: () => fleet.close() };
});
