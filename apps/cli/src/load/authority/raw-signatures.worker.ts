import { generateKeyPairSync, sign } from 'node:crypto';
import { parentPort } from 'node:worker_threads';

/** Octets of a TBSCertificate of the profile tls-client with a key of ML-DSA-44. */
const messageBytes = 1_700;

const { privateKey } = generateKeyPairSync('ml-dsa-44');
const message = Buffer.alloc(messageBytes, 7);

// Nothing but node:crypto's signatures for so many milliseconds; how many they were.
parentPort?.on('message', (milliseconds: number) => {
  const end = performance.now() + milliseconds;
  let count = 0;
  while (performance.now() < end) {
    for (let i = 0; i < 20; i++) sign(null, message, privateKey);
    count += 20;
  }
  parentPort?.postMessage(count);
});
