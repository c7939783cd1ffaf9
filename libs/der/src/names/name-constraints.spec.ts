import { compileTemplate } from '../template/der-template.js';
import {
  nameConstraints,
  type NameConstraints,
  readNameConstraints,
  type WritableSubtree,
} from './name-constraints.js';

function written(constraints: NameConstraints<WritableSubtree>): Uint8Array {
  const template = compileTemplate(nameConstraints(constraints));
  const out = new Uint8Array(1_024);
  return out.slice(template.write(out, out.length, template.createValues()));
}

function read(hex: string): NameConstraints | string {
  const bytes = Buffer.from(`55${hex}55`, 'hex');
  const result = readNameConstraints(bytes, 1, bytes.length - 1);
  return result.ok ? result.value : result.error.code;
}

describe('nameConstraints', () => {
  it('reads what it writes', () => {
    const constraints: NameConstraints<WritableSubtree> = {
      permitted: [
        { kind: 'dNSName', value: 'example.com' },
        { kind: 'iPAddress', octets: Uint8Array.of(10, 1, 0, 0, 255, 255, 0, 0) },
        { kind: 'directoryName', nameDer: Uint8Array.of(0x30, 0) },
      ],
      excluded: [
        { kind: 'rfc822Name', value: '' },
        { kind: 'uniformResourceIdentifier', value: '.example.net' },
      ],
    };
    expect(read(Buffer.from(written(constraints)).toString('hex'))).toEqual(constraints);
  });

  it('has the octets that openssl writes for permitted;DNS:a.b', () => {
    const der = written({ permitted: [{ kind: 'dNSName', value: 'a.b' }], excluded: [] });
    expect(Buffer.from(der).toString('hex')).toBe('3009a00730058203612e62');
  });

  it('tells the forms that it cannot hold', () => {
    // permitted: otherName 1.2.3, registeredID 1.2, x400Address, ediPartyName
    expect(
      read('301ca01a3008a00606022a03a0003003' + '88012a' + '3002a300' + '3005a503810161'),
    ).toEqual({
      permitted: [
        { kind: 'otherName', typeId: '1.2.3' },
        { kind: 'registeredID' },
        { kind: 'x400Address' },
        { kind: 'ediPartyName' },
      ],
      excluded: [],
    });
  });

  it.each([
    ['no subtree at all', '3000', 'empty-set'],
    ['an empty list', '3002a000', 'empty-set'],
    ['a minimum', '300ca00a30088203612e62800101', 'trailing-bytes'],
    ['an address without its mask', '300aa00830068704c0a80101', 'bad-ip-address'],
    ['text that is no ASCII', '3008a0063004820261ff', 'bad-string'],
    ['another tag', '3006a00430028400', 'bad-general-name'],
    ['bytes behind it', '3009a00730058203612e6200', 'trailing-bytes'],
    ['half of it', '3009a007300582', 'truncated'],
  ])('refuses %s', (_, hex, code) => {
    expect(read(hex)).toBe(code);
  });

  it('refuses to write nothing, half an address, and what is no ASCII', () => {
    for (const subtree of [
      { kind: 'iPAddress', octets: new Uint8Array(4) },
      { kind: 'dNSName', value: 'b\u00fccher.example' },
    ] as const) {
      expect(() => written({ permitted: [subtree], excluded: [] })).toThrow();
    }
    expect(() => written({ permitted: [], excluded: [] })).toThrow('needs a subtree');
  });
});
