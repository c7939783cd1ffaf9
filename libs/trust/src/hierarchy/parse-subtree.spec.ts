import { parseSubtree } from './parse-subtree.js';

const octetsOf = (text: string): string => {
  const subtree = parseSubtree(text);
  return subtree.kind === 'iPAddress' ? Buffer.from(subtree.octets).toString('hex') : '';
};

describe('parseSubtree', () => {
  it('reads hosts, mailboxes and names', () => {
    expect(parseSubtree('dns:devices.example.com')).toEqual({
      kind: 'dNSName',
      value: 'devices.example.com',
    });
    expect(parseSubtree('uri:.example.com')).toMatchObject({ value: '.example.com' });
    expect(parseSubtree('email:ops@example.com')).toMatchObject({ value: 'ops@example.com' });
    expect(parseSubtree('dn:O=Example')).toMatchObject({ kind: 'directoryName' });
  });

  it.each([
    ['ip:10.0.0.0/8', '0a000000ff000000'],
    ['ip:192.168.16.0/20', 'c0a81000fffff000'],
    ['ip:0.0.0.0/0', '0000000000000000'],
    ['ip:192.0.2.1/32', 'c0000201ffffffff'],
    ['ip:2001:db8::/33', `20010db8${'0'.repeat(24)}ffffffff80${'0'.repeat(22)}`],
    ['ip:::/0', '0'.repeat(64)],
    ['ip:::1/128', `${'0'.repeat(31)}1${'f'.repeat(32)}`],
    ['ip:2001:db8:1:2:3:4:5:6/128', `20010db8000100020003000400050006${'f'.repeat(32)}`],
  ])('reads %s', (text, hex) => {
    expect(octetsOf(text)).toBe(hex);
  });

  it.each([
    ['example.com'],
    ['dns:'],
    ['dns:*.example.com'],
    ['dns:a..b'],
    ['uri:http://example.com'],
    ['email:a@b@c'],
    ['ip:10.0.0.1/8'],
    ['ip:10.0.0.0'],
    ['ip:10.0.0.0/33'],
    ['ip:10.0.0/8'],
    ['ip:::/129'],
    ['dn:'],
    ['constructor:x'],
  ])('refuses %s', (text) => {
    expect(() => parseSubtree(text)).toThrow(/name constraint|distinguished name/);
  });
});
