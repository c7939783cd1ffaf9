import type { DecidedState } from '@certmill/domain';
import { aMassOperation } from '@certmill/ports/conformance';
import { carriedOperation } from './carry-store.js';

const running = aMassOperation();

describe('a mass operation that is carried', () => {
  it.each([undefined, { state: 'running', atMs: 2, actor: 'otto' } as const])(
    'is paused where it ran or was about to go on: %j',
    (decided?: DecidedState) => {
      const operation = decided === undefined ? running : { ...running, decided };
      expect(carriedOperation(operation)).toEqual({ ...running, state: 'paused' });
    },
  );

  it('is still about to be cancelled where it was', () => {
    const decided = { state: 'cancelled', atMs: 2, actor: 'otto' } as const;
    const operation = { ...running, decided };
    expect(carriedOperation(operation)).toEqual(operation);
  });
});
