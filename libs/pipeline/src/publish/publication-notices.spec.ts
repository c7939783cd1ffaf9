import type { EventLog, SubscribeOptions } from '@certmill/ports';
import { PublicationNotices } from './publication-notices.js';

describe('notices of publications', () => {
  it('that cannot be read are passed over: they have no dead-letter topic', async () => {
    const subscribed: SubscribeOptions[] = [];
    const log: Pick<EventLog, 'subscribe'> = {
      subscribe(options) {
        subscribed.push(options);
        return Promise.resolve({ stop: () => Promise.resolve() });
      },
    };
    await new PublicationNotices().subscribe(log, 'certmill-notify.a');
    const record = { topic: 't', position: '0:0', headers: {}, key: '' };
    for (const value of [Buffer.from('garbage'), Buffer.alloc(0)]) {
      await expect(subscribed[0]?.handler({ ...record, value })).resolves.toBeUndefined();
    }
  });
});
