import { GroupMember } from './group-member.js';

describe('a member that is not in its group yet, or not any more', () => {
  it('takes a pause and a resume for what they are: of no effect', () => {
    const nothing = (): void => undefined;
    const member = new GroupMember(
      {
        connection: { brokers: ['127.0.0.1:1'], clientId: 'certmill-test' },
        topic: 't',
        groupId: 'g',
        partitions: 1,
        fetchBytes: 1_024,
        fetchWait: { minBytes: 1, maxMs: 1 },
        sessionTimeoutMs: 6_000,
        fromBeginning: true,
      },
      {
        joined: nothing,
        rebalancing: nothing,
        records: nothing,
        hasRoom: () => true,
        ended: nothing,
      },
    );
    expect(() => {
      member.pause(0);
      member.resume(0);
    }).not.toThrow();
  });
});
