import { CertmillError, faultCatalogue, rejectionCodes, type FaultCode } from '@certmill/domain';
import { problemOf } from './problem-of.js';
import { RefusedCall } from './refused-call.js';
import { rejectionProblem } from './to-problem.js';
import { UploadBroken } from './upload-broken.js';
import { faultStatus, wireStatus } from './wire-status.js';

const id = '00000000-0000-4000-8000-000000000000';

describe('problemOf', () => {
  it.each(Object.keys(faultCatalogue) as FaultCode[])('answers %s with its own status', (code) => {
    const problem = problemOf(new CertmillError(code, 'what happened'), id);
    expect(problem).toMatchObject({ code, status: faultStatus[code].http, requestId: id });
    expect(problem.detail).toBe(faultStatus[code].showsDetail ? 'what happened' : undefined);
  });

  it.each(rejectionCodes)('answers the rejection %s with its own status and type', (code) => {
    const problem = rejectionProblem({ code, detail: 'why' }, id);
    expect(problem).toMatchObject({ code, status: wireStatus[code].http, detail: 'why' });
    expect(problem.type.endsWith(`/problems/${code.toLowerCase().replaceAll('_', '-')}`)).toBe(
      true,
    );
  });

  it('shows nothing of an unknown error but where to find it', () => {
    const problem = problemOf(new TypeError('secret: hunter2'), id);
    expect(problem).toEqual({
      type: 'about:blank',
      title: 'Internal Server Error',
      status: 500,
      instance: `urn:uuid:${id}`,
    });
  });

  it('keeps the status of a refusal that a reader wrapped', () => {
    const cause = new RefusedCall(408, 'the body stopped coming');
    const wrapped = new CertmillError('INVALID_INPUT', 'after 3 requests', { cause });
    expect(problemOf(wrapped, id)).toMatchObject({ status: 408 });
  });

  it('tells a broken upload where it goes on', () => {
    const broken = new UploadBroken(new CertmillError('FAULT_DISK_FULL', 'no room'), {
      batchId: 'b',
      nextIndex: 512,
    });
    expect(problemOf(broken, id)).toMatchObject({ status: 507, batchId: 'b', nextIndex: 512 });
  });
});
