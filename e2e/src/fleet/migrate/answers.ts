import { hash, X509Certificate } from 'node:crypto';

/** Somebody's access to a server or a fleet. */
export interface Face {
  readonly url: string;
  readonly key: string;
}

export async function call(
  { url, key }: Face,
  method: string,
  path: string,
  {
    body,
    headers = {},
  }: { body?: NonNullable<RequestInit['body']>; headers?: Readonly<Record<string, string>> } = {},
): Promise<Response> {
  return fetch(url + path, {
    method,
    headers: { authorization: `Bearer ${key}`, ...headers },
    ...(body === undefined ? {} : { body, duplex: 'half' }),
  });
}

/** How fast a batch goes, and which call it was. */
const ofTheMoment = new Set(['ratePerSecond', 'etaSeconds', 'instance', 'requestId']);

function lasting(text: string): unknown {
  try {
    return JSON.parse(text, (name, value: unknown): unknown =>
      ofTheMoment.has(name) ? undefined : value,
    );
  } catch {
    return text;
  }
}

export async function answer(face: Face, path: string): Promise<readonly [number, unknown]> {
  const response = await call(face, 'GET', path);
  return [response.status, lasting(await response.text())];
}

interface Certificate {
  readonly serialNumber: string;
  readonly deviceId: string;
  readonly index: number;
  readonly certificate: string;
}

/** Everything that a tenant can ask for, by the path that it asks. */
export async function everythingOf(face: Face): Promise<Map<string, unknown>> {
  const answers = new Map<string, unknown>();
  const ask = async (path: string): Promise<unknown> => {
    const [status, body] = await answer(face, path);
    answers.set(path, [status, body]);
    return body;
  };
  const orders = await ask('/v1/orders?limit=100');
  await ask('/v1/profiles?limit=100');
  await ask('/v1/operations?limit=100');
  for (const orderId of idsIn(orders, 'orderId')) {
    await ask(`/v1/orders/${orderId}`);
    const listed = await ask(`/v1/orders/${orderId}/batches?limit=100`);
    for (const batchId of idsIn(listed, 'batchId')) {
      const path = `/v1/batches/${batchId}`;
      await ask(path);
      const lines = (await ask(`${path}/certificates`)) as string;
      for (const part of ['rejections', 'manifest', 'dead-letters']) await ask(`${path}/${part}`);
      const certificates = typeof lines === 'string' ? linesOf(lines) : [];
      for (const { serialNumber, deviceId, index, certificate } of certificates) {
        if (index % 20 > 0) continue;
        await ask(`/v1/certificates/${serialNumber}`);
        await ask(`/v1/certificates?deviceId=${encodeURIComponent(deviceId)}`);
        await ask(`/v1/certificates?udid=${udidIn(certificate)}`);
      }
    }
  }
  return answers;
}

function idsIn(page: unknown, name: 'orderId' | 'batchId'): readonly string[] {
  const { items } = page as { readonly items: readonly Record<typeof name, string>[] };
  return items.map((item) => item[name]);
}

function udidIn(certificate: string): string {
  const { publicKey } = new X509Certificate(certificate);
  return hash('sha256', publicKey.export({ type: 'spki', format: 'der' }));
}

function linesOf(text: string): readonly Certificate[] {
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as Certificate);
}
