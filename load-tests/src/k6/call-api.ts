import exec from 'k6/execution';
import http, { type Answer } from 'k6/http';
import { settings } from './read-settings.js';

export interface Call {
  /** Groups the calls of one kind in the metrics. */
  readonly name: string;
  readonly method: string;
  readonly path: string;
  /** The operator's where absent. */
  readonly key?: string;
  readonly body?: string | ArrayBuffer;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An upload is answered when all of it is durable: that may take long. */
const timeout = '15m';

export function callApi(call: Call): Answer {
  const { body, contentType = 'application/json' } = call;
  return http.request(call.method, settings.url + call.path, body ?? null, {
    headers: {
      authorization: `Bearer ${call.key ?? settings.key}`,
      ...(body === undefined ? {} : { 'content-type': contentType }),
      ...call.headers,
    },
    tags: { name: call.name },
    timeout,
  });
}

/** A call that the run makes no sense without: where it fails, the run ends. */
export function mustCallApi(call: Call): unknown {
  const answer = callApi(call);
  if (answer.status < 200 || answer.status > 299) {
    const said = (answer.body ?? '').slice(0, 300);
    exec.test.abort(`${call.name} was answered with ${String(answer.status)}: ${said}`);
  }
  return answer.json();
}
