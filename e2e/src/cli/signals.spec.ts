import { once } from 'node:events';

import { writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { aCsr, ndjsonLineOf } from '../testing/a-csr.js';
import { startServer } from '../server/testing/running-server.js';
import { startCertmill } from './testing/run-certmill.js';
import { aWorkFolder, type WorkFolder } from './testing/work-folder.js';

let work: WorkFolder;
beforeEach(async () => {
  work = await aWorkFolder();
});
afterEach(() => work[Symbol.asyncDispose]());

describe('the first SIGINT', () => {
  it('stops a command that waits for its standard input', async () => {
    const args = ['issue', '-', '--profile', 'tls-client', '--data', 'data', '--out', 'out'];
    const running = startCertmill(args, { cwd: work.path, isStdinOpen: true });
    await running.notes(/^made a root/m);
    running.child.kill('SIGINT');
    const { exitCode, stderr } = await running.ended;
    expect(stderr).toMatch(/^error INTERRUPTED: stopped; run the same command again to go on\n$/m);
    expect(exitCode).toBe(130);
  });
});

describe('a second SIGINT', () => {
  it('ends a server at once that still waits for a client', async () => {
    await writeFile(work.at('patient.json'), JSON.stringify({ stopTimeoutMs: 600_000 }));
    await using server = await startServer(work, '--config', 'patient.json');
    const { port, hostname } = new URL(server.url);
    const client = connect(Number(port), hostname);
    await once(client, 'connect');
    // Its head never ends, so the connection is neither idle nor a call that could be answered.
    client.write('POST /v1/orders HTTP/1.1\r\nHost: here\r\n');
    client.on('error', () => undefined);
    server.child.kill('SIGINT');
    await server.notes(/^stopping: finishing what is in hand$/m);
    expect(server.child.exitCode).toBeNull();
    server.child.kill('SIGINT');
    expect(await server.ended).toMatchObject({ exitCode: 130 });
    client.destroy();
  });

  it('ends an upload at once; the first one has it stop in order', async () => {
    await writeFile(work.at('one.ndjson'), ndjsonLineOf('dev', aCsr('dev')));
    // It takes every octet and never answers.
    const silent = createServer((socket) => socket.resume().on('error', () => undefined));
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const connected = once(silent, 'connection');
    const url = `http://127.0.0.1:${String((silent.address() as AddressInfo).port)}`;
    const args = ['submit', 'one.ndjson', '--order', 'run', '--server', url];
    const running = startCertmill(args, { cwd: work.path });
    await connected;
    running.child.kill('SIGINT');
    running.child.kill('SIGINT');
    const { exitCode, stdout } = await running.ended;
    expect([exitCode, stdout]).toEqual([130, '']);
    silent.close();
  });
});
