import { RenewedClient } from './renewed-client.js';

type Answer = 'answers' | 'fails' | 'hangs';

class FakeClient {
  readonly #answer: () => Answer;
  readonly #closes: 'at once' | 'never';
  readonly #closing = Promise.withResolvers<never>();
  isClosed = false;

  constructor(answer: Answer | (() => Answer), closes: 'at once' | 'never' = 'at once') {
    this.#answer = typeof answer === 'string' ? () => answer : answer;
    this.#closes = closes;
    this.#closing.promise.catch(() => undefined);
  }

  /** As the driver does: what hangs ends as the client is closed, unless it is the socket that hangs. */
  async ping(): Promise<void> {
    const answer = this.#answer();
    if (answer === 'fails') throw new Error('away');
    if (answer === 'hangs') await this.#closing.promise;
  }

  async close(): Promise<void> {
    this.isClosed = true;
    if (this.#closes === 'never') await new Promise(() => undefined);
    this.#closing.reject(new Error('closed'));
  }
}

const timeoutMs = 50;

function renewedClient(...clients: readonly FakeClient[]) {
  const made = clients.values();
  const make = (): FakeClient => {
    const { value } = made.next();
    if (value === undefined) throw new Error('one client too many');
    return value;
  };
  return new RenewedClient({ make, ping: (client) => client.ping(), timeoutMs });
}

const always = (): boolean => true;

describe('a client that is renewed', () => {
  test.each(['fails', 'hangs'] as const)(
    'is replaced by one that answers, and closed, where it %s',
    async (how) => {
      const [old, next] = [new FakeClient(how, 'never'), new FakeClient('answers')];
      const client = renewedClient(old, next);
      expect(await client.renew(always)).toBe(true);
      expect(client.current).toBe(next);
      expect([old.isClosed, next.isClosed]).toEqual([true, false]);
      // The one that does not end holds up nobody for longer than a ping may take.
      await client.close();
      expect(next.isClosed).toBe(true);
    },
  );

  test('stays where it answers: calls are slow, or were refused', async () => {
    const old = new FakeClient('answers');
    const client = renewedClient(old);
    expect(await client.renew(always)).toBe(false);
    expect(old.isClosed).toBe(false);
  });

  test.each(['fails', 'hangs'] as const)(
    'stays where the next one %s, which is closed, and is renewed later',
    async (how) => {
      const [old, bad, good] = [
        new FakeClient('fails'),
        new FakeClient(how),
        new FakeClient('answers'),
      ];
      const client = renewedClient(old, bad, good);
      expect(await client.renew(always)).toBe(false);
      expect(client.current).toBe(old);
      expect([old.isClosed, bad.isClosed]).toEqual([false, true]);
      expect(await client.renew(always)).toBe(true);
      expect(client.current).toBe(good);
    },
  );

  test('stays where a call was answered meanwhile', async () => {
    const [old, next] = [new FakeClient('fails'), new FakeClient('answers')];
    const client = renewedClient(old, next);
    expect(await client.renew(() => false)).toBe(false);
    expect(client.current).toBe(old);
    expect([old.isClosed, next.isClosed]).toEqual([false, true]);
  });

  test('is renewed once by all who ask at once', async () => {
    const client = renewedClient(new FakeClient('fails'), new FakeClient('answers'));
    const renewals = [1, 2, 3].map(() => client.renew(always));
    expect(await Promise.all(renewals)).toEqual([true, false, false]);
  });

  test('takes no other one once it is closed, and closes the one that is asked', async () => {
    const [old, next] = [new FakeClient('fails'), new FakeClient('hangs')];
    const client = renewedClient(old, next);
    const renewal = client.renew(always);
    // Until the first has failed, and the second is asked.
    await new Promise((resolve) => setImmediate(resolve));
    await client.close();
    expect([old.isClosed, next.isClosed]).toEqual([true, true]);
    expect(await renewal).toBe(false);
    expect(await client.renew(always)).toBe(false);
  });

  test('makes no other one where it is closed while it is asked', async () => {
    const client = renewedClient(new FakeClient('hangs'));
    const renewal = client.renew(always);
    await client.close();
    expect(await renewal).toBe(false);
  });
});
