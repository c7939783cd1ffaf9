import {
  describeApprovals,
  describeCrls,
  describeMassOperations,
  describeRevocations,
  describeStores,
} from '@certmill/ports/conformance';
import { aFleet } from './testing/a-mongo-store.js';

async function openStore() {
  const fleet = await aFleet();
  return { stores: await fleet.open(), close: () => fleet.close() };
}

describeStores('the MongoDB store', openStore);
describeRevocations('revocations and audit of the MongoDB store', openStore);
describeCrls('CRLs of the MongoDB store', openStore);
describeMassOperations('mass operations of the MongoDB store', openStore);
describeApprovals('used approvals of the MongoDB store', async () => {
  const { stores: ledger, close } = await openStore();
  return { ledger, close };
});
