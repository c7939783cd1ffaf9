import { packExamination } from '../examination/examination-columns.js';
import type { ExaminationReply, ExaminationTask } from '../examination/examination-messages.js';

/** An examination worker that dies of a chunk whose bytes are `deadly`. */
export function examine({ received }: ExaminationTask): ExaminationReply {
  if (Buffer.from(received).toString() === 'deadly') process.exit(9);
  const columns = packExamination({
    codes: [],
    details: [],
    udids: new Uint8Array(),
    deviceIds: [],
    csrValues: [],
  });
  return { kind: 'examined', columns };
}
