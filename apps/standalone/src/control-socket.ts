import { chmodSync, rmSync } from 'node:fs';
import { createConnection, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { once } from 'node:events';
import { z } from 'zod';
import { CertmillError, faultCatalogue, isCertmillError, type FaultCode } from '@certmill/domain';

const requestSchema = z.discriminatedUnion('command', [
  z.object({ command: z.literal('backup'), directory: z.string() }),
  /** An entry of the audit trail; it is of the moment when it comes. */
  z.object({
    command: z.literal('audit'),
    entry: z.object({
      actor: z.string(),
      action: z.string(),
      detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
    }),
  }),
]);

/** What a command on the same machine asks of the process that has the data folder. */
export type ControlRequest = z.infer<typeof requestSchema>;

type ControlAnswer = { readonly ok: true } | { readonly code: string; readonly message: string };

/** Longest path of a Unix socket (sun_path) on Linux and macOS. */
const maxSocketPathBytes = 103;
const maxRequestBytes = 64 * 1024;

function socketOf(directory: string): string {
  return join(directory, 'control.sock');
}

/** True where the folder's path leaves room for a socket. */
function fits(path: string): boolean {
  return Buffer.byteLength(path) <= maxSocketPathBytes;
}

/**
 * Listens in the data folder: whoever may write there may ask, nobody else can reach it. Undefined
 * where the path is too long for a socket.
 */
export async function openControlSocket(
  directory: string,
  handle: (request: ControlRequest) => Promise<void>,
): Promise<Server | undefined> {
  const path = socketOf(directory);
  if (!fits(path)) return undefined;
  // Left by a process that was killed; the folder's lock says that it is gone.
  rmSync(path, { force: true });
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      if (text.length > maxRequestBytes) socket.destroy();
      const end = text.indexOf('\n');
      if (end === -1) return;
      void answer(text.slice(0, end), handle).then((reply) =>
        socket.end(`${JSON.stringify(reply)}\n`),
      );
    });
  });
  server.listen(path);
  await once(server, 'listening');
  chmodSync(path, 0o600);
  return server;
}

async function answer(
  line: string,
  handle: (request: ControlRequest) => Promise<void>,
): Promise<ControlAnswer> {
  try {
    await handle(parseRequest(line));
    return { ok: true };
  } catch (error) {
    if (isCertmillError(error)) return { code: error.code, message: error.message };
    return {
      code: 'FAULT_PROCESSING',
      message: 'the command failed; the server log has the cause',
    };
  }
}

function parseRequest(line: string): ControlRequest {
  const parsed = requestSchema.safeParse(JSON.parse(line));
  if (parsed.success) return parsed.data;
  throw new CertmillError('INVALID_INPUT', 'there is no such control command');
}

/** Asks the process that has the folder. Throws its fault, or NOT_FOUND where nobody listens. */
export async function askRunningServer(directory: string, request: ControlRequest): Promise<void> {
  const path = socketOf(directory);
  const socket = createConnection(path);
  try {
    await once(socket, 'connect');
  } catch (cause) {
    throw new CertmillError('NOT_FOUND', `no server listens in ${directory}`, { cause });
  }
  socket.write(`${JSON.stringify(request)}\n`);
  let text = '';
  for await (const chunk of socket.setEncoding('utf8')) text += String(chunk);
  const reply = JSON.parse(text) as ControlAnswer;
  if ('ok' in reply) return;
  const code = reply.code in faultCatalogue ? (reply.code as FaultCode) : 'FAULT_PROCESSING';
  throw new CertmillError(code, reply.message);
}
