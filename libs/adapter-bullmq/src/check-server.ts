import { CertmillError } from '@certmill/domain';

/** What the queue needs to know of the server it works on. */
export interface ServerCheck {
  /** Redis never drops a key to make room. */
  readonly keepsKeys: boolean;
  /** What is wrong with it for durable jobs, though they can be worked on. */
  readonly warnings: readonly CertmillError[];
}

/** The oldest that BullMQ runs on without warnings of its own. */
const oldest = { major: 6, minor: 2 };

/** Judges the answer to INFO; CONFIG_INVALID where the server cannot be used at all. */
export function checkServer(info: string): ServerCheck {
  const [, major, minor] = /^redis_version:(\d+)\.(\d+)/m.exec(info) ?? [];
  if (major === undefined || minor === undefined) {
    throw new CertmillError('CONFIG_INVALID', 'Redis does not tell its version');
  }
  const isOld =
    Number(major) < oldest.major ||
    (Number(major) === oldest.major && Number(minor) < oldest.minor);
  if (isOld) {
    throw new CertmillError(
      'CONFIG_INVALID',
      `Redis ${major}.${minor} is too old: jobs need ${oldest.major}.${oldest.minor}`,
    );
  }
  const keepsKeys = valueOf(info, 'maxmemory_policy') === 'noeviction';
  const warnings = [
    ...(keepsKeys
      ? []
      : ['Redis drops keys when its memory is full: set its maxmemory-policy to noeviction']),
    ...(valueOf(info, 'aof_enabled') === '1'
      ? []
      : ['Redis keeps no append-only file: jobs are lost when it ends; set its appendonly to yes']),
  ];
  return {
    keepsKeys,
    warnings: warnings.map((text) => new CertmillError('CONFIG_INVALID', text)),
  };
}

function valueOf(info: string, name: string): string | undefined {
  return new RegExp(`^${name}:(\\S*)`, 'm').exec(info)?.[1];
}
