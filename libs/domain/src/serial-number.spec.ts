import { serialNumberBefore } from './serial-number.js';

describe('the serial number before one', () => {
  it.each([
    ['0102', '0101'],
    ['0100', '00ff'],
    ['7f000000', '7effffff'],
  ])('%s is %s: of as many octets, and nothing sorts between', (given, expected) => {
    const serialNumber = Buffer.from(given, 'hex');
    expect(Buffer.from(serialNumberBefore(serialNumber)).toString('hex')).toBe(expected);
    expect(serialNumber.toString('hex')).toBe(given);
  });
});
