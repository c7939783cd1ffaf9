import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { nodeStoreDisk, type StoreDisk } from './store-disk.js';
import { storeFault } from './store-fault.js';
import type { StoreThreadData, ToStore } from './store-messages.js';
import { StoreThread, type Send } from './store-thread.js';

const { diskModule, ...options } = workerData as StoreThreadData;

const send: Send = (message, transfer = []) => {
  parentPort?.postMessage(message, transfer);
};

async function loadDisk(): Promise<StoreDisk> {
  if (diskModule === undefined) return nodeStoreDisk;
  const { storeDisk } = (await import(diskModule)) as { readonly storeDisk: StoreDisk };
  return storeDisk;
}

try {
  const receive = (message: ToStore): void => {
    if (message.kind === 'requests') message.requests.forEach((each) => thread.receive(each));
    else void thread.close().finally(() => parentPort?.close());
  };
  const receiveNow = (): void => {
    if (parentPort === null) return;
    for (;;) {
      const received = receiveMessageOnPort(parentPort) as { message: ToStore } | undefined;
      if (received === undefined) return;
      receive(received.message);
    }
  };
  const disk = await loadDisk();
  const thread = new StoreThread({ ...options, disk, receiveNow }, send);
  await thread.start();
  parentPort?.on('message', receive);
  send({ kind: 'opened' });
} catch (error) {
  const { code, message } = storeFault(error, `open the store ${options.directory}`);
  send({ kind: 'not-opened', fault: { code, message } });
}
