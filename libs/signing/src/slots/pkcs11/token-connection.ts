import type { SlotLatches, SlotSettings } from '../signing-slot.js';
import {
  initialize,
  loadCryptoki,
  signCallsOf,
  type Cryptoki,
  type Handle,
  type SignCalls,
} from './load-cryptoki.js';
import { closeSession, openTokenSession, type TokenLogin } from './token-session.js';

/** Of this thread. */
const connections = new Map<string, TokenConnection>();

/**
 * This thread's connection to the token of these settings, opened where there is none yet; whoever got
 * it gives it back by `release`. Throws what the module answers, and as `openTokenSession`.
 */
export function connectTo(settings: SlotSettings, latches: SlotLatches): TokenConnection {
  const { moduleFile, tokenLabel, pinFile } = settings;
  const id = JSON.stringify([moduleFile, tokenLabel, pinFile]);
  const connection = connections.get(id) ?? new TokenConnection(id, settings, latches);
  connections.set(id, connection);
  connection.users++;
  return connection;
}

/** One session of a thread on a token: HSMs bound sessions, so all keys that it uses there share it. */
export class TokenConnection {
  readonly tokenLabel: string;
  readonly cryptoki: Cryptoki;
  readonly calls: SignCalls;
  slot: Handle;
  session: Handle;
  /** Grows with each new session: handles of keys that were found before may be void. */
  generation = 0;
  users = 0;
  private readonly id: string;
  private readonly login: TokenLogin;
  private readonly initializeOnce: () => void;

  constructor(id: string, settings: SlotSettings, latches: SlotLatches) {
    const { moduleFile, tokenLabel, pinFile, initializeLatch, loginLatch } = settings;
    this.id = id;
    this.tokenLabel = String(tokenLabel);
    this.cryptoki = loadCryptoki(String(moduleFile));
    this.calls = signCallsOf(this.cryptoki);
    this.initializeOnce = () => {
      initialize(this.cryptoki, latches[String(initializeLatch)]);
    };
    this.login = {
      tokenLabel: this.tokenLabel,
      pinFile: String(pinFile),
      latch: latches[String(loginLatch)],
    };
    const { slot, session } = this.open();
    this.slot = slot;
    this.session = session;
  }

  /**
   * A new session in the place of one that is lost; nothing where another key's user was first.
   * @param generation that was found lost.
   */
  renew(generation: number): void {
    if (generation !== this.generation) return;
    // The new one first, then the old one's end: a token logs out with its last session.
    const { slot, session } = this.open();
    closeSession(this.cryptoki, this.session);
    this.slot = slot;
    this.session = session;
    this.generation++;
  }

  /** The last user's closes it. */
  release(): void {
    this.users--;
    if (this.users > 0) return;
    connections.delete(this.id);
    closeSession(this.cryptoki, this.session);
  }

  private open(): { readonly slot: Handle; readonly session: Handle } {
    this.initializeOnce();
    return openTokenSession(this.cryptoki, this.login);
  }
}
