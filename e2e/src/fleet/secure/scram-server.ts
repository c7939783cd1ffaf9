import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from 'node:crypto';

const iterations = 4_096;

const hmac = (key: Uint8Array, text: string): Buffer =>
  createHmac('sha256', key).update(text).digest();
const sha256 = (data: Uint8Array): Buffer => createHash('sha256').update(data).digest();

/** The server's side of one SCRAM-SHA-256 conversation (RFC 5802, RFC 7677). */
export class ScramServer {
  readonly #users: Readonly<Record<string, string>>;
  readonly #salt = randomBytes(16);
  #username = '';
  #clientFirst = '';
  #serverFirst = '';

  constructor(users: Readonly<Record<string, string>>) {
    this.#users = users;
  }

  /** Takes `n,,n=USER,r=NONCE`. */
  first(message: string): string {
    this.#clientFirst = message.slice('n,,'.length);
    const { n = '', r = '' } = attributesOf(this.#clientFirst);
    this.#username = n;
    const nonce = r + randomBytes(18).toString('base64');
    this.#serverFirst = `r=${nonce},s=${this.#salt.toString('base64')},i=${String(iterations)}`;
    return this.#serverFirst;
  }

  /** Takes `c=...,r=...,p=PROOF`; undefined where user or password are wrong. */
  final(message: string): string | undefined {
    const password = this.#users[this.#username];
    const { p = '' } = attributesOf(message);
    if (password === undefined) return undefined;
    const salted = pbkdf2Sync(password, this.#salt, iterations, 32, 'sha256');
    const storedKey = sha256(hmac(salted, 'Client Key'));
    const withoutProof = message.slice(0, message.lastIndexOf(',p='));
    const conversation = [this.#clientFirst, this.#serverFirst, withoutProof].join(',');
    const signature = hmac(storedKey, conversation);
    const proof = Buffer.from(p, 'base64');
    const clientKey = signature.map((octet, i) => octet ^ (proof[i] ?? 0));
    if (!timingSafeEqual(sha256(clientKey), storedKey)) return undefined;
    return `v=${hmac(hmac(salted, 'Server Key'), conversation).toString('base64')}`;
  }
}

function attributesOf(message: string): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries(message.split(',').map((part) => [part.slice(0, 1), part.slice(2)]));
}
