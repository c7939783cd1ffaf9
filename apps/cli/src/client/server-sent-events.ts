import { TextDecoder } from 'node:util';

export interface ServerSentEvent {
  readonly event: string;
  readonly data: string;
}

/** Far above any event of a batch. */
const maxPendingCharacters = 1024 * 1024;

/** Events of a stream (WHATWG HTML 9.2.6); comments are dropped, an unfinished last event too. */
export async function* readEvents(
  stream: AsyncIterable<Uint8Array>,
): AsyncGenerator<ServerSentEvent> {
  const decoder = new TextDecoder();
  let pending = '';
  let event = 'message';
  let data: string[] = [];
  for await (const bytes of stream) {
    const lines = (pending + decoder.decode(bytes, { stream: true })).split(/\r\n|\n|\r(?!$)/);
    pending = (lines.pop() ?? '').slice(0, maxPendingCharacters);
    for (const line of lines) {
      if (line === '') {
        if (data.length > 0) yield { event, data: data.join('\n') };
        event = 'message';
        data = [];
      } else if (line.startsWith('event:')) {
        event = valueOf(line, 'event:');
      } else if (line.startsWith('data:')) {
        data.push(valueOf(line, 'data:'));
      }
    }
  }
}

function valueOf(line: string, field: string): string {
  const value = line.slice(field.length);
  return value.startsWith(' ') ? value.slice(1) : value;
}
