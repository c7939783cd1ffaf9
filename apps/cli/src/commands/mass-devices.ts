import { Command, Option } from 'commander';
import { deviceStates, type DeviceState } from '@certmill/pipeline';
import { openClient, withServerOptions, type ServerOptions } from '../client/server-options.js';
import { withExamples } from '../terminal/program.js';
import { tableLines } from '../terminal/table.js';
import type { Terminal } from '../terminal/terminal.js';

interface DevicesOptions extends ServerOptions {
  readonly state?: DeviceState;
}

export function massDevicesCommand(terminal: Terminal): Command {
  const command = new Command('devices')
    .description('list the devices of a reissue or renewal: renewed, outstanding, passed over')
    .argument('<name>')
    .addOption(new Option('--state <state>', 'of one state only').choices(deviceStates))
    .action(async (name: string, options: DevicesOptions) => {
      using client = openClient(terminal, options);
      const devices = await Array.fromAsync(client.operationDevices(name, options.state));
      const rows = devices.map(({ deviceId, state, notAfter, serialNumber }) => [
        deviceId,
        state,
        notAfter.slice(0, 10),
        serialNumber,
      ]);
      terminal.report(
        { devices },
        rows.length === 0
          ? ['no devices']
          : tableLines(['device', 'state', 'ends', 'serial number'], rows),
      );
    });
  return withExamples(withServerOptions(command, 120), [
    ['certmill mass devices move-7', 'each device, by the certificate that it held'],
    ['certmill mass devices move-7 --state outstanding --json', 'who is to be reminded'],
  ]);
}
