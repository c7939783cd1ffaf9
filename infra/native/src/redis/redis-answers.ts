import { connect } from 'node:net';
import { addAbortSignal } from 'node:stream';

const answerTimeoutMs = 3_000;

/**
 * Whether the Redis with that pid serves on the port: another one may have taken it, and while Redis
 * reads its file it accepts connections already.
 */
export async function redisAnswers(port: number, pid: number): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port });
  socket.setEncoding('latin1').write('INFO\r\nQUIT\r\n');
  let answer = '';
  try {
    const signal = AbortSignal.timeout(answerTimeoutMs);
    for await (const text of addAbortSignal(signal, socket)) answer += text as string;
    return answer.includes(`\nprocess_id:${pid}\r`) && answer.includes('\nloading:0\r');
  } finally {
    socket.destroy();
  }
}
