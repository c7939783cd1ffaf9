import fc from 'fast-check';
import { certificateFileName } from './certificate-file-name.js';

fc.configureGlobal({ seed: 20261123 });

const nameOf = (deviceId: string): string => certificateFileName(deviceId, 7);

test.each([
  ['device-000001.a_b', 'device-000001.a_b'],
  ['12345', '12345'],
  ['SN-00A1', 'SN-00A1~u'],
  ['Sn-a', 'Sn-a~4'],
  ['sN-a', 'sN-a~2'],
  ['', 'request~7'],
  ['request~7', 'request%7e7'],
  ['..', '%2e%2e'],
  ['../../etc/passwd', '%2e.%2f..%2fetc%2fpasswd'],
  ['.hidden.', '%2ehidden%2e'],
  ['a b:c\\d', 'a%20b%3ac%5cd'],
  ['Ger\u00e4t', 'Ger%c3%a4t~8'],
  ['nul', '%6eul'],
  ['COM1.txt', '%43OM1.txt~38'],
  ['chain', '%63hain'],
  ['chained', 'chained'],
])('%j is %j', (deviceId, name) => {
  expect(nameOf(deviceId)).toBe(name);
});

test('a name stays in its folder and fits every file system', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 128 }), (deviceId) => {
      const name = nameOf(deviceId);
      expect(name).toMatch(/^[A-Za-z0-9_%~-][A-Za-z0-9._%~-]*$/);
      expect(name.endsWith('.')).toBe(false);
      expect(name.length).toBeLessThanOrEqual(200);
    }),
  );
});

test('two device ids never share a name, even where case does not count', () => {
  const nearby = fc
    .string({ unit: fc.constantFrom('a', 'A', 'b', 'B', '~', 'u', '1', '%', '.'), maxLength: 6 })
    .filter((text) => text !== '');
  const cased = fc
    .tuple(fc.stringMatching(/^[a-z0-9/]{60,128}$/), fc.array(fc.boolean(), { minLength: 128 }))
    .map(([text, upper]) => Array.from(text, (c, i) => (upper[i] ? c.toUpperCase() : c)).join(''));
  fc.assert(
    fc.property(fc.oneof(fc.tuple(nearby, nearby), fc.tuple(cased, cased)), ([a, b]) => {
      const same = nameOf(a).toLowerCase() === nameOf(b).toLowerCase();
      expect(same).toBe(a === b);
      const swapped = a.toUpperCase();
      expect(nameOf(a).toLowerCase() === nameOf(swapped).toLowerCase()).toBe(a === swapped);
    }),
    { numRuns: 3000 },
  );
});
