import { encodePublishedChunk, topics } from '@certmill/events';
import type { RecordHandler } from '@certmill/ports';
import { PublicationNotices } from './publication-notices.js';

const chunk = {
  tenant: 'acme',
  orderId: 'o1',
  batchId: '00112233445566778899aabbcc',
  chunkNumber: 3,
};

/** The handler that notices give to a log. */
async function handlerOf(notices: PublicationNotices): Promise<RecordHandler> {
  let given: RecordHandler | undefined;
  const unused = () => Promise.reject(new Error('not asked for'));
  await notices.subscribe({
    append: unused,
    readDeadLetter: unused,
    lag: unused,
    subscribe(options) {
      given = options.handler;
      return Promise.resolve({ stop: () => Promise.resolve() });
    },
  });
  return given!;
}

const aNotice = (value: Uint8Array) => ({
  topic: topics.certificatesPublished,
  position: '0:0',
  headers: {},
  key: chunk.batchId,
  value,
});

describe('notices of publication', () => {
  it('wake who waits for the chunk or its batch', async () => {
    const notices = new PublicationNotices();
    const handler = await handlerOf(notices);
    using ofChunk = notices.ofChunk(chunk);
    using ofBatch = notices.ofBatch(chunk.batchId);
    using ofOther = notices.ofChunk({ ...chunk, chunkNumber: 4 });
    await handler(aNotice(encodePublishedChunk(chunk)));
    const never = 2 ** 30;
    await Promise.all([ofChunk.heard(never), ofBatch.heard(never)]);
    const heard = ofOther.heard(never).then(() => 'heard');
    expect(await Promise.race([heard, Promise.resolve('silent')])).toBe('silent');
    notices.notify(chunk.batchId, 4);
    expect(await heard).toBe('heard');
  });

  it.each([
    ['no octets', new Uint8Array()],
    ['no notice', Buffer.from('anything at all')],
    ['a batch id that is none', encodePublishedChunk({ ...chunk, batchId: 'ab' })],
  ])('that have %s are passed over: others wait behind them', async (_, value) => {
    const handler = await handlerOf(new PublicationNotices());
    await expect(handler(aNotice(value))).resolves.toBeUndefined();
  });
});
