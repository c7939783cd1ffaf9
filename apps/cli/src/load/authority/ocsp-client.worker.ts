import { connect } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';

/** What a bench asks, over and over, on connections that are kept. */
export interface LoadClientData {
  readonly port: number;
  readonly paths: readonly string[];
  readonly connections: number;
  readonly seconds: number;
}

const { port, paths, connections, seconds } = workerData as LoadClientData;
const requests = paths.map((path) => Buffer.from(`GET ${path} HTTP/1.1\r\nHost: bench\r\n\r\n`));
const endsAtMs = Date.now() + seconds * 1_000;
let answers = 0;
let next = 0;

for (let i = 0; i < connections; i++) {
  const socket = connect(port, '127.0.0.1');
  socket.setNoDelay(true);
  let missing = 0;
  const ask = (): void => {
    next = (next + 1) % requests.length;
    socket.write(requests[next] ?? '');
  };
  socket.on('connect', ask);
  socket.on('data', (data) => {
    if (missing === 0) {
      const headEnd = data.indexOf('\r\n\r\n');
      const length = /content-length: (\d+)/i.exec(data.toString('latin1', 0, headEnd))?.[1];
      missing = headEnd + 4 + Number(length);
    }
    missing -= data.length;
    if (missing > 0) return;
    missing = 0;
    answers += 1;
    if (Date.now() < endsAtMs) ask();
    else socket.destroy();
  });
}
setTimeout(() => parentPort?.postMessage(answers), seconds * 1_000 + 200);
