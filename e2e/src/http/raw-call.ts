import { connect, type Socket } from 'node:net';

/** Writes a raw request and collects the answer until the server hangs up. */
export function rawCall(
  url: string,
  head: string | Uint8Array,
): { socket: Socket; answer: Promise<string> } {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const answer = new Promise<string>((resolve) => {
    let text = '';
    socket.on('data', (data: Buffer) => (text += data.toString()));
    socket.on('error', () => resolve(text));
    socket.on('close', () => resolve(text));
  });
  socket.write(head);
  return { socket, answer };
}

/** The head of the answer, as soon as it is there. */
export async function headOf(socket: Socket): Promise<string> {
  let text = '';
  return new Promise((resolve) => {
    socket.on('data', (data: Buffer) => {
      text += data.toString();
      if (text.includes('\r\n\r\n')) resolve(text);
    });
    socket.once('close', () => resolve(text));
  });
}
