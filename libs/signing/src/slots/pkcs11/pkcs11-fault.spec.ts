import { CertmillError } from '@certmill/domain';
import { faultOf, isPinRefusal, isRepairable, returnValueOf } from './pkcs11-fault.js';

/** As the addon throws it; the binding puts the number into `code`. */
const answer = (name: string, value: number): Error => new Error(`${name}:${String(value)}`);
const withCode = (name: string, code: number): Error => Object.assign(new Error(name), { code });

describe('what a PKCS#11 module answered', () => {
  it('is read from the message of the addon and from the code of the binding', () => {
    expect(returnValueOf(answer('CKR_DEVICE_ERROR', 48))).toBe(0x30);
    expect(returnValueOf(withCode('CKR_DEVICE_ERROR', 48))).toBe(0x30);
    expect(returnValueOf(new TypeError('Argument 1 has wrong type'))).toBeUndefined();
    expect(returnValueOf('CKR_DEVICE_ERROR:48')).toBeUndefined();
  });

  it.each([
    ['CKR_DEVICE_ERROR', 0x30, 'FAULT_HSM_LOST'],
    ['CKR_GENERAL_ERROR', 0x05, 'FAULT_HSM_LOST'],
    ['CKR_VENDOR_DEFINED', 0x8000_0001, 'FAULT_HSM_LOST'],
    ['CKR_SESSION_COUNT', 0xb1, 'FAULT_HSM_BUSY'],
    ['CKR_MECHANISM_INVALID', 0x70, 'CONFIG_INVALID'],
    ['CKR_KEY_FUNCTION_NOT_PERMITTED', 0x68, 'CONFIG_INVALID'],
  ])('%s (%i) is the fault %s', (name, value, code) => {
    const cause = answer(name, value);
    const fault = faultOf(cause, 'factory');
    expect([fault.code, fault.cause]).toEqual([code, cause]);
    expect(fault.message).toBe(`the module of token factory answered 0x${value.toString(16)}`);
  });

  it('leaves our own faults as they are', () => {
    const fault = new CertmillError('FAULT_KEY_MISMATCH', 'another key');
    expect(faultOf(fault, 'factory')).toBe(fault);
  });

  it.each([0xb0, 0xb3, 0x101, 0x60, 0x82, 0x32, 0xe0])('0x%i can be repaired', (value) => {
    expect(isRepairable(answer('CKR_X', value))).toBe(true);
    expect(isPinRefusal(answer('CKR_X', value))).toBe(false);
  });

  it.each([0x30, 0x05, 0xb1, 0xa0])('%i cannot be repaired', (value) => {
    expect(isRepairable(answer('CKR_X', value))).toBe(false);
  });

  it.each([0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0x102])('%i refuses the PIN', (value) => {
    expect(isPinRefusal(answer('CKR_X', value))).toBe(true);
  });
});
