/**
 * Fails where the two are not the same data. Not node:assert: what came from another thread has
 * prototypes of another realm than Jest's, and is the same data all the same.
 */
export function expectSame(actual: unknown, expected: unknown): void {
  expect(actual).toEqual(expected);
}
