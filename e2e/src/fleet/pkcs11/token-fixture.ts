import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Pkcs11Faults, SoftHsm, type Token } from '@certmill/native';
import { pkcs11Slot, type Pkcs11SlotOptions, type SigningSlot } from '@certmill/signing';
import { anIssuer, type IssuerKeyType, type TestIssuer } from '@certmill/signing/testing';
import { SigningProcess } from './signing-process.js';
import type { SigningOrder } from './signing-program.js';

export const keyLabel = 'device-ca';
export const keyId = Buffer.from('0a1b2c', 'hex');

/** Two tokens `east` and `west` with an issuer's key each, behind a module that fails on command. */
export class TokenFixture {
  readonly issuer: TestIssuer;
  readonly folder: string;
  readonly tokens: readonly Token[];
  readonly hsm: SoftHsm;
  readonly faults: Pkcs11Faults;
  readonly processes: SigningProcess[] = [];

  private constructor(
    issuer: TestIssuer,
    folder: string,
    hsm: SoftHsm,
    tokens: readonly Token[],
    faults: Pkcs11Faults,
  ) {
    this.issuer = issuer;
    this.folder = folder;
    this.hsm = hsm;
    this.tokens = tokens;
    this.faults = faults;
  }

  /** `westKeyType`: the second token holds another key, under the same names. */
  static async open(keyType: IssuerKeyType, westKeyType?: IssuerKeyType): Promise<TokenFixture> {
    const folder = mkdtempSync(join(tmpdir(), 'certmill-tokens-'));
    const hsm = await SoftHsm.open(join(folder, 'softhsm'));
    const issuer = anIssuer(keyType);
    const tokens: Token[] = [];
    for (const label of ['east', 'west']) {
      const token = await hsm.createToken({ label });
      const other =
        label === 'west' && westKeyType !== undefined ? anIssuer(westKeyType) : undefined;
      const key = (other ?? issuer).privateKey;
      await hsm.importKey({ token, key, label: keyLabel, idHex: keyId.toString('hex') });
      if (other !== undefined) rmSync(other.directory, { recursive: true });
      tokens.push(token);
    }
    const faults = await Pkcs11Faults.open(join(folder, 'faults'), hsm.moduleFile);
    return new TokenFixture(issuer, folder, hsm, tokens, faults);
  }

  /** The slot of a token, named like it. */
  slot(tokenLabel: string, options: Partial<Pkcs11SlotOptions> = {}): SigningSlot {
    return pkcs11Slot({
      name: tokenLabel,
      moduleFile: this.faults.moduleFile,
      tokenLabel,
      keyLabel,
      pinFile: this.tokens.find(({ label }) => label === tokenLabel)?.pinFile ?? '',
      ...options,
    });
  }

  start(
    options: SigningOrder['options'] = {},
    slots: readonly SigningSlot[] = this.tokens.map(({ label }) => this.slot(label)),
  ): SigningProcess {
    const { name, certificateDer } = this.issuer;
    const started = new SigningProcess(
      {
        issuer: name,
        certificateDer: Buffer.from(certificateDer).toString('base64'),
        slots,
        options: { threadsPerSlot: 1, restMs: 50, ...options },
      },
      { ...this.hsm.environment, ...this.faults.environment },
    );
    this.processes.push(started);
    return started;
  }

  /** Takes the faults away and ends what still runs; all that the processes wrote since the last call. */
  async reset(): Promise<string> {
    await this.faults.set();
    const ended = this.processes.splice(0);
    for (const each of ended) each.kill();
    await Promise.all(ended.map((each) => each.ended));
    return ended.map(({ output }) => output).join('');
  }

  async close(): Promise<void> {
    await this.reset();
    for (const folder of [this.folder, this.issuer.directory]) rmSync(folder, { recursive: true });
  }
}
